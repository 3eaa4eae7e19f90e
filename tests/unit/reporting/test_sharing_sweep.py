"""Nothing from 1 to 7 that counts people leaves on a shared page of any kind, in whatever part of it.

The strongest test is that of two runs that differ in nothing but a small count: their shared pages are the same bytes,
so no table, drawing, title, description, heading or sentence can tell the one from the other.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from allocation.records import sha256_of
from allocation.reporting import page_html, sheets_of, write_figures
from allocation.reporting.blocks import Chart, Page, Table

SMALL = (2, 3, 6)
STUDIES = ("comparison", "sensitivity", "breaking", "forecast")
_SMALL_PEOPLE = re.compile(
    r"(?<![\d.,])(?<!grade )[1-7](?:\.\d+)? (?:more |fewer |late )?(?:patients?|people|persons?|relapses|pneumonias)\b"
    r"|\b(?:patients|people|overdue|late): [1-7](?![\d.,%])",
    re.IGNORECASE,
)


def pages(folder: Path, *, panel: str | None = None) -> dict[str, Page]:
    return {sheet.name: sheet.page for sheet in sheets_of(folder, share=True, panel=panel)}


def said(page: Page) -> str:
    """Every word of a page, in whatever element or attribute it stands, without the style sheet."""
    html = re.sub(r"<style>.*?</style>", " ", page_html(page), flags=re.DOTALL)
    attributes = " ".join(re.findall(r'(?:aria-label|title|alt)="([^"]*)"', html))
    return unescape(re.sub(r"<[^>]+>", " ", html) + " " + attributes)


def tables(page: Page) -> list[Table]:
    parts = [page.lead, *(part for section in page.sections for part in section.parts)]
    found = [part.data if isinstance(part, Chart) else part for part in parts]
    return [part for part in found if part is not None]


@pytest.fixture(scope="module")
def build(builders, studies, tmp_path_factory) -> Callable[[str, int], Path]:
    """A folder of each kind with a small count planted in it."""
    root = tmp_path_factory.mktemp("few")
    base = builders.make_run_folder(root / "base", weeks=20, replications=3)
    hostile = builders.make_allocation_folder(root / "hostile", panels=3, scale=0.3)

    def make(kind: str, few: int) -> Path:
        folder = root / f"{kind} {few}"
        if folder.exists():
            return folder
        if kind == "simulation":
            studies.add_consequences(Path(shutil.copytree(base, folder)), few=few)
            return _with_few_late(folder, studies, few)
        if kind == "allocation":
            return _with_few_deferred(Path(shutil.copytree(hostile, folder)), studies, few)
        return Path(getattr(studies, f"make_{kind}_folder")(folder, few=few))

    return make


def _with_few_late(folder: Path, studies, few: int) -> Path:
    """In one group of one panel so many are late in every replication, and never anybody else of its indication."""
    rows = pd.read_parquet(folder / "affected.parquet")
    own = rows["indication"] == "unlisted"
    first = own & (rows["panel"] == "SRIAP05")
    rows.loc[own, ["patients_late", "days_late_total"]] = 0
    rows.loc[first, ["patients_late", "days_late_total"]] = (few, 40)
    rows.to_parquet(folder / "affected.parquet", index=False)
    outcomes = pd.read_parquet(folder / "outcomes.parquet").assign(patients_late_ungraded=float(few))
    outcomes.to_parquet(folder / "outcomes.parquet", index=False)
    return Path(studies.renewed(folder))


def _with_few_deferred(folder: Path, studies, few: int) -> Path:
    """In one panel so many of grade 3 are deferred and so many reviews overdue; grams stay as they are."""
    path = folder / "patients.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    mine = [row for row in rows if row["panel"] == "SRIAP01" and row["grade"] == "3"]
    for place, row in enumerate(mine):
        late = place < few
        row["status"] = "deferred" if late else "treated"
        row["given_g"] = "0" if late else row["due_g"]
        row["reason"] = "Waits." if late else "Served."
        row["product"], row["from_location"] = ("", "") if late else ("privigen_10", "SRIAP01")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    cohort = pd.read_csv(folder / "panel_cohort.csv", keep_default_na=False)
    own = (cohort["panel"] == "SRIAP01") & (cohort["grade"].astype(str) == "3")
    cohort.loc[cohort["panel"] == "SRIAP01", ["reviews_overdue", "overdue_due", "overdue_due_g", "overdue_given_g"]] = 0
    cohort.loc[own, ["reviews_overdue", "overdue_due", "overdue_due_g"]] = (few, few, 35 * few)
    cohort.to_csv(folder / "panel_cohort.csv", index=False, lineterminator="\n")
    return Path(studies.renewed(folder))


@pytest.mark.parametrize("kind", [*STUDIES, "simulation"])
def test_a_shared_page_is_the_same_whatever_a_small_count_is(build, kind):
    told = {few: {name: page_html(page) for name, page in pages(build(kind, few)).items()} for few in SMALL}
    assert told[2] == told[3] == told[6]


@pytest.mark.parametrize("kind", STUDIES)
def test_the_internal_page_does_tell_them_apart(build, kind):
    """Or the test above would prove nothing."""
    told = [page_html(sheets_of(build(kind, few), share=False)[0].page) for few in SMALL]
    assert len(set(told)) == len(SMALL)


def rounded(count: int) -> int:
    return 5 * ((count + 2) // 5)


def test_a_panels_shared_page_is_the_same_whatever_a_small_count_is(build):
    """Of two counts that leave the others, who are many, on the same multiple of 5."""
    told, treated = {}, {}
    for few in range(2, 7):
        folder = build("allocation", few)
        people = pd.read_csv(folder / "patients.csv", dtype=str, keep_default_na=False)
        own = people[people["panel"] == "SRIAP01"]
        of_three = own.loc[own["grade"] == "3", "status"].value_counts()["treated"]
        sums = own["status"].value_counts().sort_index()
        treated[few] = [rounded(int(count)) for count in (of_three, *sums)]
        told[few] = page_html(pages(folder, panel="SRIAP01")["panel_SRIAP01_shared"])
    alike = [(a, b) for a in told for b in told if a < b and treated[a] == treated[b]]
    assert alike
    for one, other in alike:
        assert told[one] == told[other], (one, other)
    internal = [page_html(sheets_of(build("allocation", few), share=False, panel="SRIAP01")[0].page) for few in (2, 3)]
    assert internal[0] != internal[1]
    assert "P0000" not in told[2]
    assert "P0000" in internal[0]


@pytest.mark.parametrize("few", SMALL)
@pytest.mark.parametrize("kind", [*STUDIES, "simulation", "allocation"])
def test_no_cell_sentence_or_label_counts_few_people(build, kind, few):
    folder = build(kind, few)
    made = pages(folder)
    if kind == "allocation":
        made |= pages(folder, panel="all")
        assert len(made) == 4
    for name, page in made.items():
        assert not re.search(r"\d", name.removeprefix("panel_SRIAP").removesuffix("_shared")[2:]), name
        assert _SMALL_PEOPLE.search(said(page)) is None, (name, _SMALL_PEOPLE.search(said(page)))
        people = [cell.text for found in tables(page) for row in found.rows for cell in row if cell.people]
        for text in people:
            number = re.sub(r"[,\u2212-]", "", text)
            if re.fullmatch(r"\d+(\.\d+)?", number):
                # Multiples of 5: what is left when one is taken from another is no exact count.
                assert float(number) % 5 == 0, (name, text)
            else:
                assert text in {"*", "–"}, (name, text)


def test_the_drawings_as_files_hold_no_more_than_the_page(build):
    folder = build("comparison", 3)
    page = page_html(pages(folder)["report_shared"])
    for path in write_figures(folder, share=True):
        assert path.read_text(encoding="utf-8").strip() in page
        assert path.parent.name == "figures_shared"


def test_the_run_itself_stays_as_it_was(build):
    folder = build("allocation", 3)
    before = {path.name: sha256_of(path) for path in folder.iterdir() if path.is_file()}
    pages(folder, panel="all")
    assert before == {path.name: sha256_of(path) for path in folder.iterdir() if path.is_file()}
