"""``minicnn config``."""

from __future__ import annotations

import argparse

from .parsing import Run


def config(parser: argparse.ArgumentParser) -> Run:
    """Show versions, backends, threads, and what is missing and why."""

    def run(args: argparse.Namespace) -> None:
        from ..config import show_config

        show_config()

    return run
