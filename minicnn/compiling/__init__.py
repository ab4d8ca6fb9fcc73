"""Compiled inference: a model as a flat list of kernel calls. Read in this order.

1. ``wrapper.py``: :func:`compile`, and when a program may run in place of the model.
2. ``structure.py``: what must be as it was when the program was made.
3. ``recording.py``: recording the model twice, and refusing what is not the same both times.
4. ``peephole.py``: which operations become one kernel call.
5. ``program.py``: the list, and its replay; ``folding.py`` keeps the batch norms that are part of convolutions;
   ``watching.py`` knows when weights change, and looks after tensors that no operation reads.
"""

from .recording import CompileError
from .wrapper import CompiledModule, compile

__all__ = ["CompileError", "CompiledModule", "compile"]
