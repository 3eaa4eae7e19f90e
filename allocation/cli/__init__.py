"""The command line: thin faces over :mod:`allocation.workflow`."""

from allocation.cli.app import main

__all__ = ["main"]
