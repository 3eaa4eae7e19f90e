"""The report of a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    from allocation.reporting import Sheet
    from allocation.reporting.workbook import Savings

__all__ = ["FORMATS", "Asked", "report"]


EVERY_FORMAT = ("html", "pdf", "xlsx", "svg")
_OF_A_PANEL = ("html", "pdf")


@dataclass(frozen=True, slots=True)
class Asked:
    """One report to be written."""

    folder: Path
    share: bool
    savings: Savings | None = None
    panel: str | None = None
    checks: tuple[Path, ...] = ()

    def sheets(self) -> tuple[Sheet, ...]:
        """Pages of the report: one, or one for each panel."""
        from allocation.reporting import sheets_of

        return sheets_of(self.folder, share=self.share, panel=self.panel, savings=self.savings, checks=self.checks)


def _html(asked: Asked) -> tuple[Path, ...]:
    from allocation.records import write_text_atomic
    from allocation.reporting import page_html

    written = []
    for sheet in asked.sheets():
        path = asked.folder / f"{sheet.name}.html"
        write_text_atomic(path, page_html(sheet.page))
        written.append(path)
    return tuple(written)


def _pdf(asked: Asked) -> tuple[Path, ...]:
    from allocation.reporting import browser_path, page_html, write_pdf

    browser_path()  # said before pages are drawn
    return tuple(write_pdf(page_html(sheet.page), asked.folder / f"{sheet.name}.pdf") for sheet in asked.sheets())


def _svg(asked: Asked) -> tuple[Path, ...]:
    from allocation.reporting import write_figures

    return write_figures(asked.folder, share=asked.share, savings=asked.savings)


def _xlsx(asked: Asked) -> tuple[Path, ...]:
    from allocation.reporting import write_workbook

    return (write_workbook(asked.folder, share=asked.share, savings=asked.savings),)


FORMATS: Mapping[str, Callable[[Asked], tuple[Path, ...]]] = dict(
    zip(EVERY_FORMAT, (_html, _pdf, _xlsx, _svg), strict=True)
)
"""What writes each format, in the order in which they are written."""


def report(
    folder: Path,
    *,
    formats: str,
    share: bool,
    panel: str | None = None,
    cohort: Path | None = None,
    rules: RulesInUse | None = None,
    checks: Sequence[Path] = (),
) -> tuple[Path, ...]:
    """Write the report in each format asked for; return the files.

    Parameters
    ----------
    panel
        Panel of an allocation, or ``all``, for a page on it alone; None for the report of the whole run.
    cohort, rules
        Cohort file of an allocation and the rules it was made with: the report then says what stewardship could
        free.
    checks
        Inputs of the run, to see whether they have changed since.

    Raises
    ------
    InputError
        Where a format is unknown, or is none that a page on a panel has; where the folder does not hold a run, the
        cohort is not the one of the run, or a file to check is no input of it.
    """
    wanted = {part.strip() for part in formats.split(",") if part.strip()}
    known = EVERY_FORMAT if panel is None else _OF_A_PANEL
    if not wanted or not wanted <= set(known):
        raise InputError(Fault("--format", f"one or more of {', '.join(known)}", value=formats))
    if panel is not None and cohort is not None:
        raise InputError(
            Fault("--cohort", "no --panel beside it", remedy="What could be freed is told of the whole run.")
        )
    savings = None
    if cohort is not None:
        from allocation.workflow.savings import savings_of_run

        savings = savings_of_run(folder, cohort, rules=rules)
    asked = Asked(folder, share, savings, panel, tuple(checks))
    try:
        return tuple(path for name, write in FORMATS.items() if name in wanted for path in write(asked))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # A folder edited by hand breaks in more ways than can be checked for; its hashes tell it from a defect of ours.
        faults = _changed(folder)
        if not faults:
            raise
        raise InputError(faults) from None


def _changed(folder: Path) -> list[Fault]:
    """Files of a run that are no longer as the run left them; none where its manifest cannot say."""
    import json

    from allocation.reporting.load import changed_outputs

    try:
        names = changed_outputs(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, TypeError):
        return []
    remedy = "It was changed, cut short or removed since; make the run again."
    return [Fault(str(folder / name), "the file that the run wrote, by its hash", remedy=remedy) for name in names]
