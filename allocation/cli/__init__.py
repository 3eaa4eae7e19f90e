"""The command line: thin faces over :mod:`allocation.workflow`."""

import sys

from allocation.cli.exits import STOPPED, STOPPED_CLEANLY

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; see :func:`allocation.cli.app.main`."""
    try:
        # Loading takes a moment, in which Ctrl-C is to end the program as it does later.
        from allocation.cli.app import main as run

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write(f"igalloc: stopped. {STOPPED_CLEANLY}\n")
        return STOPPED
