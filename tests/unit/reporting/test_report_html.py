"""The page as a whole: what it says, what it must never say, and that it needs nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.reporting import report, run_headlines, write_figures, write_report
from allocation.reporting.disclosure import NOTE
from allocation.reporting.load import load_run

PURPOSE = "planning tool and not a clinical decision tool"


@cache
def made(folder: Path, *, share: bool = False) -> str:
    """The page of a folder that no test changes, drawn once."""
    return report(folder, share=share)


class Parsed(HTMLParser):
    """The parts of a page that the tests ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.people: dict[str, list[str]] = {}
        self.svg_text: list[str] = []
        self._table = ""
        self._open: list[str] = []
        self._catch: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "table":
            self._table = given["id"]
        if re.fullmatch(r"h[1-6]", tag) or tag == "text":
            self._catch = []
        if tag in {"td", "th"} and "people" in (given.get("class") or "").split():
            self._catch = []
        self._open.append(tag)

    def handle_endtag(self, tag):
        if self._catch is not None and tag in {"h1", "h2", "h3", "td", "th", "text"}:
            said = "".join(self._catch).strip()
            if tag in {"h1", "h2", "h3"}:
                self.headings.append((int(tag[1]), said))
            elif tag == "text":
                self.svg_text.append(said)
            else:
                self.people.setdefault(self._table, []).append(said)
            self._catch = None

    def handle_data(self, data):
        if self._catch is not None:
            self._catch.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module", params=["simulation", "allocation"])
def folder(request, simulation_folder, allocation_folder) -> Path:
    return simulation_folder if request.param == "simulation" else allocation_folder


@pytest.fixture(scope="module", params=[False, True], ids=["internal", "shared"])
def html(request, folder) -> str:
    return made(folder, share=request.param)


def test_the_page_needs_nothing_else(html):
    without_namespaces = html.replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in without_namespaces
    assert "https:" not in without_namespaces
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", html)
    tags = {tag for tag, _ in Parsed(html).tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "base", "form"}
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_the_page_says_once_what_it_is_for(html):
    assert html.count(PURPOSE) == 1


def test_structure_for_readers_and_screen_readers(html):
    page = Parsed(html)
    assert page.all("html")[0]["lang"] == "en-GB"
    assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer", "nav")] == [1, 1, 1, 1, 1]
    levels = [level for level, _ in page.headings]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(attrs.get("scope") in {"col", "row"} for attrs in page.all("th"))
    assert all(attrs.get("role") == "img" for attrs in page.all("svg"))
    for attrs in page.all("a"):
        assert attrs["href"].removeprefix("#") in ids
    for _, attrs in page.tags:
        for name in (attrs.get("aria-labelledby") or "").split():
            assert name in ids


def test_internal_and_shared_pages_say_which_they_are(folder):
    internal, shared = made(folder), made(folder, share=True)
    assert "<strong>Internal</strong>" in internal
    assert NOTE not in internal
    assert "<strong>Shared version</strong>" in shared
    assert NOTE in shared


def test_the_same_run_gives_the_same_bytes_in_another_process(folder):
    code = "import sys; from allocation.reporting import report; sys.stdout.buffer.write(report(sys.argv[1]).encode())"
    environment = {**os.environ, "PYTHONHASHSEED": "11", "TZ": "Asia/Tokyo", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, check=True, env=environment, timeout=120
    )
    assert done.stdout.decode() == made(folder)


def test_the_report_is_written_into_the_folder_and_the_shared_one_beside_it(simulation_copy):
    path = write_report(simulation_copy)
    other = write_report(simulation_copy, share=True)
    assert (path.name, other.name) == ("report.html", "report_shared.html")
    assert path.read_bytes() == report(simulation_copy).encode()
    assert b"\r" not in path.read_bytes()


def test_each_chart_of_the_page_is_a_file_that_stands_alone(simulation_copy):
    page = report(simulation_copy)
    files = write_figures(simulation_copy)
    assert [path.parent.name for path in files] == ["figures"] * len(files)
    assert len(files) == page.count("<figure")
    for path in files:
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]
        assert path.read_text(encoding="utf-8").strip() in page
    shared = write_figures(simulation_copy, share=True)
    assert {path.parent.name for path in shared} == {"figures_shared"}


def test_the_headlines_are_those_of_the_page(simulation_copy):
    told = _headlines(report(simulation_copy))
    for sentence in run_headlines(simulation_copy):
        assert " ".join(sentence.split()) in " ".join(unescape(told).split())


# --- the answer ------------------------------------------------------------------------------------------------


def _headlines(html: str) -> str:
    block = html.split('<ul class="headlines">')[1].split("</ul>")[0]
    return re.sub(r"<[^>]+>", " ", block)


def test_the_headlines_of_a_simulation_come_from_its_numbers(simulation_folder):
    said = _headlines(made(simulation_folder))
    run = load_run(simulation_folder)
    lows = run.national.groupby("replication")["cover_weeks"].min()
    assert f"at {np.median(lows):.1f} weeks of demand" in said
    first = run.national[run.national["tier"] >= 3].groupby("replication")["week"].min()
    assert f"Tier 3 is reached in all 5 replications, first in week {np.median(first):.0f}" in said
    assert "for grade 4" in said
    late = run.affected["patients_late"].sum() / 5
    assert f"{late:,.0f} of the " in said


def test_the_headlines_of_an_allocation_come_from_its_numbers(allocation_folder):
    said = _headlines(made(allocation_folder))
    patients = pd.read_csv(allocation_folder / "patients.csv")
    share = patients["given_g"].sum() / patients["due_g"].sum()
    assert f"({share * 100:.1f}%)" in said
    assert f"{(patients['status'] == 'deferred').sum():,} are deferred" in said
    assert "100% for grade 4" in said


def test_assumptions_disruptions_tiers_and_limits_are_all_there(simulation_folder):
    html = made(simulation_folder)
    for said in (
        "Tier triggers",
        "P: our proposal",
        "2 of 3 assumptions rest on memory or are our proposals",
        "Output cut of one supplier",
        "<td>Disruption</td>",
        "Critical: the plan is in force",
        "not a forecast",
        "national_cohort.parquet",
        "nhs_2021 1.0",
        "all 5 files are as the run wrote them",
    ):
        assert said in html
    assert "17,000 patients &lt;as read&gt;" in html


def test_text_from_a_scenario_never_becomes_markup(simulation_copy):
    path = simulation_copy / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["title"] = "<script>alert(1)</script>"
    summary["disruptions"][0]["text"] = '"><img src=x>'
    path.write_text(json.dumps(summary), encoding="utf-8")
    html = report(simulation_copy)
    assert "<script" not in html
    assert "<img" not in html


def test_no_patient_is_named(allocation_folder):
    for share in (False, True):
        assert not re.search(r"\bP\d{6}\b", made(allocation_folder, share=share))


# --- changed after the run -------------------------------------------------------------------------------------

MARK = "These results were changed after the run."


def test_an_untouched_run_has_no_mark(folder):
    assert MARK not in made(folder)


def test_a_changed_file_is_marked_and_named(simulation_copy):
    path = simulation_copy / "outcomes.parquet"
    frame = pd.read_parquet(path)
    frame["unmet_g"] += 1
    frame.to_parquet(path)
    html = report(simulation_copy)
    assert MARK in html
    assert "outcomes.parquet" in html.split(MARK)[1][:200]


def test_a_missing_file_is_marked(simulation_copy):
    manifest = simulation_copy / "manifest.json"
    record = json.loads(manifest.read_text(encoding="utf-8"))
    record["outputs"]["events.parquet"] = "0" * 64
    manifest.write_text(json.dumps(record), encoding="utf-8")
    assert "events.parquet (missing)" in report(simulation_copy)


def test_a_run_without_hashes_says_that_it_cannot_be_told(simulation_copy):
    manifest = simulation_copy / "manifest.json"
    record = json.loads(manifest.read_text(encoding="utf-8"))
    del record["outputs"]
    manifest.write_text(json.dumps(record), encoding="utf-8")
    html = report(simulation_copy)
    assert MARK not in html
    assert "cannot be told whether they were changed" in html


# --- disclosure ------------------------------------------------------------------------------------------------


def _number(said: str) -> float:
    return float(said.replace(",", ""))


def test_no_count_of_people_from_1_to_7_leaves_in_a_shared_page(folder):
    internal, shared = Parsed(made(folder)), Parsed(made(folder, share=True))
    small = [v for cells in internal.people.values() for v in cells if v[0].isdigit() and 0 < _number(v) < 7.5]
    assert small, "the folder must hold small counts for this test to mean anything"
    for table, cells in shared.people.items():
        for said in cells:
            if said in {"*", "–", "0"}:
                continue
            assert _number(said) >= 8, (table, said)
            if table not in {"grades", "statuses", "outcomes"}:
                assert _number(said) % 5 == 0, (table, said)


def test_a_shared_sentence_holds_no_small_count(simulation_copy):
    path = simulation_copy / "affected.parquet"
    frame = pd.read_parquet(path)
    frame["patients_late"] = 0
    frame.loc[frame.index[:4], "patients_late"] = 5
    frame.loc[frame.index[:4], "days_late_total"] = 35
    frame.to_parquet(path)
    assert "4 of the " in _headlines(report(simulation_copy))
    said = _headlines(report(simulation_copy, share=True))
    assert "Fewer than 8 patients get a course late" in said
    assert not re.search(r"\b[1-7] (of the )?[\d,]* ?patients", said)


def test_the_drawings_of_a_shared_page_hold_rounded_counts_only(simulation_folder):
    shared = Parsed(made(simulation_folder, share=True)).svg_text
    bars = [said for said in shared if re.fullmatch(r"[\d,]+ \(\S+%\)", said)]
    assert bars
    for said in bars:
        assert _number(said.split(" ")[0]) % 5 == 0
    assert "*" in shared
    assert "*" not in Parsed(made(simulation_folder)).svg_text


def test_grams_are_hidden_with_the_count_behind_them(simulation_folder):
    row = re.compile(r"<tr>\s*<th[^>]*>SRIAP05[^<]*</th>\s*<th[^>]*>Ungraded</th>(.*?)</tr>", re.DOTALL)
    cells = re.compile(r"<td[^>]*>([^<]*)</td>")
    internal = cells.findall(row.search(made(simulation_folder)).group(1))
    shared = cells.findall(row.search(made(simulation_folder, share=True)).group(1))
    assert internal[:2] == ["4", "3"]
    assert shared == ["*"] * len(shared)


def _outcomes(folder: Path, *, share: bool, **outcomes: dict) -> dict[str, list[str]]:
    """Cells of the outcomes table by label, for a run with these outcomes besides its own."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["outcomes"] |= {name: {"replications": 5, **outcome} for name, outcome in outcomes.items()}
    path.write_text(json.dumps(summary), encoding="utf-8")
    table = report(folder, share=share).split('<table id="outcomes">')[1].split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in rows]
    return {row[0]: row[1:] for row in cells}


def test_a_hidden_mean_takes_its_interval_with_it(simulation_copy):
    """Low and high lie evenly about the mean, so either would give it away."""
    lost = {"label": "Lost", "unit": "patients", "mean": 5.5, "low": -13.0, "high": 24.0}
    assert _outcomes(simulation_copy, share=False, lost=lost)["Lost"][:4] == ["patients", "5.5", "\u221213", "24"]
    assert _outcomes(simulation_copy, share=True, lost=lost)["Lost"][1:6] == ["*"] * 5


def test_outcomes_of_a_grade_are_hidden_when_few_of_it_were_late(simulation_copy):
    path = simulation_copy / "affected.parquet"
    frame = pd.read_parquet(path)
    four = frame["grade"] == 4
    frame.loc[four, ["patients_late", "days_late_total"]] = 0
    frame.loc[frame.index[four][:3], "patients_late"] = 5
    frame.to_parquet(path)
    given = {
        "unmet_grade_4_g": {"label": "Grams of grade 4 given up", "unit": "g", "mean": 31.0, "low": 20.0, "high": 42.0},
        "fill_grade_4_percent": {"label": "Share", "unit": "%", "mean": 99.9984, "low": 99.99, "high": 100.01},
        "unmet_grade_1_g": {"label": "Grams of grade 1 given up", "unit": "g", "mean": 1e4, "low": 9e3, "high": 2e4},
        "lowest_cover_weeks": {"label": "Lowest cover", "unit": "weeks", "mean": 1.3, "low": 1.2, "high": 1.4},
    }
    rows = _outcomes(simulation_copy, share=True, **given)
    assert rows["Grams of grade 4 given up"][1:6] == ["*"] * 5
    assert rows["Share"][1] == "more than 99.99%"
    assert rows["Grams of grade 1 given up"][1] == "10,000"
    assert rows["Lowest cover"][1] == "1.30"


def test_an_outcome_without_a_value_is_a_dash(simulation_copy):
    never = {"label": "First week at tier 4", "unit": "week", "mean": None, "low": None, "high": None}
    assert _outcomes(simulation_copy, share=True, never=never)["First week at tier 4"][1:6] == ["–"] * 5


def test_sources_are_named_and_the_cohort_is_accounted_for(simulation_copy):
    path = simulation_copy / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["sources"] = [{"id": "SRC01", "document": "The register", "section": "7", "confidence": "P"}]
    summary["assumptions"] = [{"id": "A01", "title": "T", "text": "X", "source": "SRC01", "confidence": "F"}]
    summary["cohort"] = {"name": "c.parquet", "patients": 1_003, "left_out_not_funded": 4, "long_term": 999}
    path.write_text(json.dumps(summary), encoding="utf-8")
    html = report(simulation_copy)
    assert "The register (SRC01)" in html
    assert "Left out not funded" in html
    assert Parsed(html).people["cohort"] == ["1,003", "4", "999"]
    assert Parsed(report(simulation_copy, share=True)).people["cohort"] == ["1,005", "*", "1,000"]


def test_grams_lost_by_people_nobody_counted_are_hidden(simulation_copy):
    """Grams given up in a group without a late patient: who lost them is not known to be eight or more."""
    path = simulation_copy / "affected.parquet"
    frame = pd.read_parquet(path)
    mine = (frame["panel"] == "SRIAP02") & (frame["grade"] == 1)
    frame.loc[mine, ["patients_late", "days_late_total"]] = 0
    frame.to_parquet(path)
    row = re.compile(r"<tr>\s*<th[^>]*>SRIAP02[^<]*</th>\s*<th[^>]*>Grade 1</th>(.*?)</tr>", re.DOTALL)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row.search(report(simulation_copy, share=True)).group(1))
    assert cells[1] == "0"
    assert cells[4:] == ["*", "*", "*"]


def test_a_cohort_of_one_panel_is_never_national(builders, tmp_path):
    folder = builders.make_allocation_folder(tmp_path / "one", panels=1, scale=0.3)
    shared = Parsed(made(folder, share=True))
    for cells in shared.people.values():
        assert all(said in {"*", "0"} or _number(said) % 5 == 0 for said in cells)
    html = made(folder, share=True)
    assert "patients_short" not in html
    assert "patients_short" in made(folder)


# --- runs at the edge ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [False, True])
def test_a_calm_run_and_a_single_replication(builders, tmp_path, share):
    calm = builders.make_run_folder(tmp_path / "calm", calm=True, replications=1, weeks=12)
    html = report(calm, share=share)
    assert "Tier 2 or above is reached in no replication." in html
    assert "One replication, so no band." in html
    assert "nothing due is given up for good" in html


@pytest.mark.parametrize("share", [False, True])
def test_a_run_in_which_nothing_was_due_or_counted(simulation_copy, share):
    for name in ("weeks", "affected"):
        path = simulation_copy / f"{name}.parquet"
        pd.read_parquet(path).iloc[:0].to_parquet(path)
    national = pd.read_parquet(simulation_copy / "national.parquet")
    national["cover_weeks"] = np.inf
    national.to_parquet(simulation_copy / "national.parquet")
    html = report(simulation_copy, share=share)
    assert "Weeks of cover cannot be told" in html
    assert "No patient was counted as affected." in html


def test_more_panels_than_a_chart_can_hold(simulation_copy):
    path = simulation_copy / "weeks.parquet"
    frame = pd.read_parquet(path)
    more = [frame.assign(panel=[f"{code}X{k}" for code in frame["panel"]]) for k in range(2)]
    pd.concat([frame, *more]).to_parquet(path)
    html = report(simulation_copy)
    assert "The 40 panels that fare worst" in html
    assert "SRIAP21X1" in html


def test_disruptions_without_end_or_size(simulation_copy):
    path = simulation_copy / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["disruptions"] = [{"kind": "quality_hold", "start_week": 20, "weeks": None, "size": None}]
    summary["cohort"] = {"patients": 5, "name": "tiny"}
    path.write_text(json.dumps(summary), encoding="utf-8")
    html = report(simulation_copy, share=True)
    assert "A = Quality hold" in html
    assert "no limit" in html
    assert "<dt>Patients in the cohort</dt><dd>*</dd>" in html


def test_an_allocation_that_serves_everybody(allocation_copy):
    patients = pd.read_csv(allocation_copy / "patients.csv", dtype=str, keep_default_na=False)
    patients = patients.assign(given_g=patients["due_g"], status="treated", from_location=patients["panel"])
    patients.to_csv(allocation_copy / "patients.csv", index=False)
    panels = pd.read_csv(allocation_copy / "panels.csv")
    panels = panels.assign(given_g=panels["due_g"], planned_g=panels["due_g"], unmet_g=0.0, fill_rate=1.0)
    panels.to_csv(allocation_copy / "panels.csv", index=False)
    flows = panels.rename(columns={"given_g": "grams"}).assign(from_location=panels["panel"], product="privigen_10")
    flows[["from_location", "panel", "product", "grams"]].to_csv(allocation_copy / "flows.csv", index=False)
    (allocation_copy / "shadow_prices.csv").write_text("panel,product,grade,grams_per_kg\n", encoding="utf-8")
    html = report(allocation_copy)
    assert "Every panel is served in full" in html
    assert "Nothing is moved" in html
    assert "One more kilogram would buy nothing" in html


def test_a_failed_check_is_loud(allocation_copy):
    path = allocation_copy / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    result["certificate"] = [
        {"name": "stock_conserved", "passed": True},
        {"name": "nothing_above_demand", "passed": False},
    ]
    path.write_text(json.dumps(result), encoding="utf-8")
    html = report(allocation_copy)
    assert "Checks passed without the solver: 1 of 2." in html
    assert "FAILED" in html


def test_rulings_of_the_rulebook_are_shown_and_none_on_one_condition_is_shared(allocation_copy):
    path = allocation_copy / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    common = {"title": "T", "open_point": "O", "confidence": "P"}
    result["assumptions"] = [
        common | {"id": "N06", "text": "A review counts.", "source": "The plan", "entries": "the whole rulebook"},
        common | {"id": "N99", "text": "A rare one.", "source": "The plan; Rare table", "entries": "rare_disease"},
    ]
    path.write_text(json.dumps(result), encoding="utf-8")
    html = report(allocation_copy)
    assert "A review counts." in html
    assert "A rare one." in html
    assert "Rare table" in html
    assert "P: our proposal" in html
    shared = report(allocation_copy, share=True)
    assert "A review counts." in shared
    assert "A rare one." not in shared
    assert "Rulings on single conditions are left out" in shared
