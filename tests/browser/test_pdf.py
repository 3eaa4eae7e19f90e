"""The PDF by a real browser: tagged, named, complete, on one sheet, and made without asking anybody.

Chromium comes from the system (``apt-get install chromium``); where it is missing these tests are skipped, and CI
installs it so that they are not.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from allocation.cli import main
from allocation.errors import InputError
from allocation.reporting import browser_path, page_html, run_headlines, sheets_of
from allocation.reporting.pdf import BROWSER_VARIABLE, write_pdf
from allocation.workflow.reporting import report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def browser() -> Path:
    try:
        return browser_path()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(__file__).parents[1] / "unit" / "reporting" / "run_folders.py"
    spec = importlib.util.spec_from_file_location("pdf_run_folders", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Path(module.make_allocation_folder(tmp_path_factory.mktemp("pdf") / "run", scale=0.2))


def opened(path: Path) -> Any:
    from pypdf import PdfReader

    return PdfReader(path)


def words(reader: Any) -> str:
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_the_pdf_of_a_run_is_tagged_named_and_says_the_answer(folder: Path) -> None:
    assert main(["report", str(folder), "--format", "pdf"]) == 0
    reader = opened(folder / "report.pdf")
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en-GB"
    assert reader.metadata.title == "Allocation at tier 3 – internal – igalloc"
    assert 3 <= len(reader.pages) <= 30
    text = words(reader)
    assert all(sentence in text for sentence in run_headlines(folder))
    assert "planning tool and not a clinical decision tool" in text


@pytest.mark.parametrize("share", [False, True], ids=["internal", "shared"])
def test_a_panels_report_is_one_sheet_and_the_list_follows_on_its_own(folder: Path, share: bool) -> None:
    (path,) = report(folder, formats="pdf", share=share, panel="SRIAP07")
    reader = opened(path)
    assert path.name == ("panel_SRIAP07_shared.pdf" if share else "panel_SRIAP07.pdf")
    first = " ".join(reader.pages[0].extract_text().split())
    for part in ("Panel SRIAP07", "The panel's cohort by grade", "Reasons given", "How this was made"):
        assert part in first
    width, height = (float(side) for side in reader.pages[0].mediabox[2:])
    assert (round(width), round(height)) in {(595, 842), (594, 842), (595, 841), (596, 842)}
    names = re.findall(r"P\d{6}", words(reader))
    if share:
        assert len(reader.pages) == 1
        assert names == []
    else:
        assert re.search(r"P\d{6}", first) is None
        assert len(names) > 50


def test_the_same_page_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    html = "<!DOCTYPE html><html lang='en-GB'><title>x</title><h1>Twice</h1></html>"
    first, second = write_pdf(html, tmp_path / "a.pdf"), write_pdf(html, tmp_path / "b.pdf")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
@pytest.mark.parametrize("ours", [True, False], ids=["a page of ours", "a page that asks"])
def test_nobody_is_asked_for_anything(
    browser: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ours: bool
) -> None:
    """The browser writes down all it does: no page reaches a host, and one of ours does not even try."""
    log = tmp_path / "net.json"
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec "{browser}" --log-net-log="{log}" "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    monkeypatch.setenv(BROWSER_VARIABLE, str(wrapper))
    html = "<!DOCTYPE html><html lang='en-GB'><title>x</title><body></html>"
    if ours:
        html = page_html(sheets_of(folder, share=True, panel="SRIAP05")[0].page)
    html = html.replace("<body", "<img src='https://example.org/x.png' alt='x'><body", 1)
    write_pdf(html, tmp_path / "a.pdf")
    text = log.read_text(encoding="utf-8").rstrip().rstrip(",")
    record = json.loads(text if text.endswith("}") else text + "]}")
    kinds = {number: name for name, number in record["constants"]["logEventTypes"].items()}
    # A UDP socket that is connected but never written to only asks the system for a route.
    sent = [kinds[one["type"]] for one in record["events"] if kinds[one["type"]] in {"TCP_CONNECT", "UDP_BYTES_SENT"}]
    assert sent == []
    asked = {str(one["params"]["url"]) for one in record["events"] if "url" in one.get("params", {})}
    assert any("example.org" in url for url in asked) is not ours
