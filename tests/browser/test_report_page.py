"""The report in a real browser: asks nobody, fits a phone, can be read by everyone.

Chromium comes from the system (``apt-get install chromium``); where it is missing these tests are skipped, and CI
installs it so that they are not.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from allocation.reporting import write_report
from allocation.workflow.reporting import report

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1200, "height": 800}
PHONE = {"width": 360, "height": 740}
SMALLEST = {"width": 320, "height": 640}
CASES = (
    "simulation",
    "simulation shared",
    "allocation",
    "allocation shared",
    "changed",
    "panel",
    "panel shared",
    "forecast",
    "comparison",
    "sensitivity shared",
    "breaking",
)
CHARTS = ("simulation", "simulation shared", "allocation", "forecast", "comparison", "breaking")


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium on this machine: apt-get install chromium")


def _builders(name: str) -> Any:
    path = Path(__file__).parents[1] / "unit" / "reporting" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"browser_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    builders, studies = _builders("run_folders"), _builders("study_folders")
    root = tmp_path_factory.mktemp("reports")
    simulation = studies.add_consequences(builders.make_run_folder(root / "simulation", weeks=28, replications=3))
    allocation = builders.make_allocation_folder(root / "allocation", scale=0.2)
    changed = builders.make_run_folder(root / "changed", weeks=15, replications=2)
    manifest = json.loads((changed / "manifest.json").read_text(encoding="utf-8"))
    manifest["outputs"]["outcomes.parquet"] = "0" * 64
    (changed / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (panel,) = report(allocation, formats="html", share=False, panel="SRIAP07")
    (shared,) = report(allocation, formats="html", share=True, panel="SRIAP05")
    return {
        "panel": panel,
        "panel shared": shared,
        "forecast": write_report(studies.make_forecast_folder(root / "forecast")),
        "comparison": write_report(studies.make_comparison_folder(root / "comparison")),
        "sensitivity shared": write_report(studies.make_sensitivity_folder(root / "sensitivity"), share=True),
        "breaking": write_report(studies.make_breaking_folder(root / "breaking")),
        "simulation": write_report(simulation),
        "simulation shared": write_report(simulation, share=True),
        "allocation": write_report(allocation),
        "allocation shared": write_report(allocation, share=True),
        "changed": write_report(changed),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = _chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def visit(browser, pages) -> Iterator[Any]:
    """Open a report at a size; at the end, fail where the page asked for anything but itself."""
    asked: list[str] = []
    said: list[str] = []
    opened = []

    def go(name: str, viewport: dict[str, int]) -> Any:
        page = browser.new_page(viewport=viewport)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(pages[name].as_uri())
        opened.append(page)
        return page

    yield go
    own = {path.as_uri() for path in pages.values()}
    for page in opened:
        page.close()
    assert [url for url in asked if url not in own] == []
    assert said == []


@pytest.mark.parametrize("viewport", [DESK, SMALLEST], ids=["desk", "smallest"])
@pytest.mark.parametrize("name", CASES)
def test_axe_finds_nothing_critical_or_serious(visit, name, viewport):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(name, viewport)
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    violations = Axe().run(page).response["violations"]
    bad = [
        (found["id"], found["help"], [node["target"] for node in found["nodes"]][:3])
        for found in violations
        if found["impact"] in {"critical", "serious"}
    ]
    assert bad == []


@pytest.mark.parametrize("viewport", [DESK, SMALLEST], ids=["desk", "smallest"])
@pytest.mark.parametrize("name", CASES)
def test_the_page_never_scrolls_sideways(visit, name, viewport):
    page = visit(name, viewport)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("name", ["simulation", "allocation", "forecast"])
def test_the_first_screen_answers(visit, name):
    page = visit(name, DESK)
    for selector in ("h1", ".headlines li:nth-child(2)", ".purpose", ".lead svg >> visible=true"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= DESK["height"]


@pytest.mark.parametrize("viewport", [DESK, SMALLEST], ids=["desk", "smallest"])
@pytest.mark.parametrize("name", CHARTS)
def test_every_label_of_every_chart_is_inside_it_and_legible(visit, name, viewport):
    page = visit(name, viewport)
    problems = page.evaluate(
        """() => {
          const found = [];
          let seen = 0;
          for (const svg of document.querySelectorAll('figure svg')) {
            const frame = svg.getBoundingClientRect();
            if (frame.width === 0) continue;
            seen += 1;
            const boxes = [];
            for (const text of svg.querySelectorAll('text')) {
              const box = text.getBoundingClientRect();
              const scale = frame.width / svg.viewBox.baseVal.width;
              const size = parseFloat(getComputedStyle(text).fontSize) * scale;
              const said = text.textContent;
              if (size < 8.5) found.push(['small', said, size]);
              if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
                  box.top < frame.top - 1 || box.bottom > frame.bottom + 1) found.push(['outside', said]);
              for (const other of boxes) {
                const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
                const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
                if (across > 1 && down > 4) found.push(['overlap', said, other.said]);
              }
              boxes.push({box, said});
            }
          }
          if (seen < 1) found.push(['too few charts', seen]);
          return found;
        }"""
    )
    assert problems == []


def test_phones_get_the_narrow_charts_and_desks_and_paper_the_wide_ones(visit):
    for viewport, media, kind in ((DESK, "screen", "wide"), (PHONE, "screen", "narrow"), (PHONE, "print", "wide")):
        page = visit("simulation", viewport)
        page.emulate_media(media=media)
        for shown in ("wide", "narrow"):
            visible = page.locator(f"#cover .{shown}").is_visible()
            assert visible is (shown == kind), (viewport, media, shown)


def test_paper_leaves_out_what_only_a_screen_needs(visit):
    page = visit("simulation", DESK)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("details").first.is_visible()
    assert page.locator("#manifest").is_visible()


def test_the_keyboard_reaches_the_answer_and_the_numbers(visit):
    page = visit("simulation", DESK)
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator("#cover-data").is_visible()


def test_a_changed_run_is_marked_where_nobody_can_miss_it(visit):
    page = visit("changed", DESK)
    mark = page.get_by_text("These results were changed after the run.")
    box = mark.bounding_box()
    assert box is not None
    assert box["y"] < DESK["height"] / 2


@pytest.mark.parametrize("name", ["panel", "forecast", "comparison"])
def test_whatever_takes_the_keyboard_shows_it(visit, name):
    page = visit(name, DESK)
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        seen.add(page.evaluate("document.activeElement.tagName"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    assert {"A", "SUMMARY"} <= seen
