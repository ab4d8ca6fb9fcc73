"""The command line: ``minicnn train alexnet photos``, ``minicnn predict cat.jpg --weights runs/alexnet/best.mcnn`` ...

One file per command, with a function that adds its arguments to a parser and returns what runs on the parsed arguments.
Models are imported when a command needs them, so that ``--help`` answers at once.

Exit codes: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C.
"""

from .program import main

__all__ = ["main"]
