"""Run the command line with ``python -m allocation``."""

from allocation.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
