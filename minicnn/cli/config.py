"""``minicnn config``."""

from __future__ import annotations

import argparse

from .parsing import Run, as_json


def config(parser: argparse.ArgumentParser) -> Run:
    """Show versions, backends, threads, and what is missing and why."""

    parser.add_argument("--json", action="store_true", help="the same as JSON")

    def run(args: argparse.Namespace) -> None:
        from ..config import config_facts, show_config

        if args.json:
            print(as_json(config_facts(), indent=2))
        else:
            show_config()

    return run
