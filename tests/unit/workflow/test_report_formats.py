"""What may be asked of a report, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocation.errors import InputError
from allocation.workflow.reporting import EVERY_FORMAT, FORMATS, report


def test_every_format_has_its_writer_in_order() -> None:
    assert tuple(FORMATS) == EVERY_FORMAT == ("html", "pdf", "xlsx", "svg")


@pytest.mark.parametrize(
    ("formats", "panel", "named"),
    [
        ("docx", None, "html, pdf, xlsx, svg"),
        ("", None, "html, pdf, xlsx, svg"),
        ("html,xlsx", "SRIAP01", "html, pdf"),
        ("svg", "all", "html, pdf"),
    ],
)
def test_an_unknown_format_is_answered_with_those_there_are(formats, panel, named, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"one or more of {named}$|one or more of {named}[^,]"):
        report(tmp_path, formats=formats, share=False, panel=panel)


def test_savings_are_told_of_the_whole_run_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--cohort"):
        report(tmp_path, formats="html", share=False, panel="SRIAP01", cohort=tmp_path / "c.csv")
