"""The report of a run folder."""

from __future__ import annotations

from pathlib import Path

from allocation.errors import Fault, InputError

__all__ = ["FORMATS", "report"]

FORMATS = ("html", "svg")


def report(folder: Path, *, formats: str, share: bool) -> tuple[Path, ...]:
    """Write the report in each format asked for; return the files.

    Raises
    ------
    InputError
        Where a format is unknown, or the folder does not hold a run.
    """
    from allocation.reporting import write_figures, write_report

    asked = tuple(part.strip() for part in formats.split(",") if part.strip())
    unknown = [part for part in asked if part not in FORMATS]
    if unknown or not asked:
        raise InputError(Fault("--format", f"one or more of {', '.join(FORMATS)}", value=formats))
    written: list[Path] = []
    if "html" in asked:
        written.append(write_report(folder, share=share))
    if "svg" in asked:
        written.extend(write_figures(folder, share=share))
    return tuple(written)
