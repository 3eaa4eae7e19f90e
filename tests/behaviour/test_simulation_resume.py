"""Runs in parts: killed at any moment and gone on with to the same bytes; replications until intervals are narrow."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.errors import InputError
from allocation.rules import load_panels, load_products, load_rulebook
from allocation.scenario import load_scenario, with_run
from allocation.simulation import (
    FILES,
    OUTCOMES,
    PartStore,
    World,
    check_precision,
    head_of,
    join_parts,
    played_in_parts,
    replications,
    run_replications,
    write_run,
)
from allocation.tables import write_table
from small_worlds import DEEP, Make, world_maker


@pytest.fixture(scope="module")
def make() -> Make:
    """World of a deep cut: 150 patients in two panels, 8 weeks."""
    deep = partial(world_maker(patients=150, panels=2, weeks=8, replications=4), disruption=[DEEP])
    return lambda **run: deep(run=run)


def opened(folder: Path, *, decided: Mapping[str, object] | None = None, resume: bool = False) -> PartStore:
    return PartStore.open(
        folder, decided=decided or {"run": "one"}, resume=resume, building=folder.parent / ".out.part-fedc9876"
    )


def joined(world: World, store: PartStore, target: Path, **options: Any) -> dict[str, bytes]:
    head = head_of(world, "small")
    parts, reached = played_in_parts(world, head, store, **options)
    target.mkdir()
    join_parts(head, parts, target, precision=reached)
    return bytes_of(target)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# ------------------------------------------------------------------ parts


def test_parts_join_to_the_bytes_of_a_run_in_memory(make: Make, tmp_path: Path) -> None:
    world = make()
    (tmp_path / "whole").mkdir()
    write_run(run_replications(world, cohort_name="small"), tmp_path / "whole")
    found = joined(world, opened(tmp_path / "work"), tmp_path / "joined")
    assert found == bytes_of(tmp_path / "whole")
    assert set(found) == set(FILES)


def test_going_on_plays_only_what_is_missing(make: Make, tmp_path: Path) -> None:
    world = make()
    store = opened(tmp_path / "work")
    expected = joined(world, store, tmp_path / "first")
    shutil.rmtree(store.path(1))
    # A part that is cut short, or was written by half, is played again.
    (store.path(2) / "weeks.parquet").write_bytes(b"PAR1")
    (store.path(3) / "part.json").unlink()
    told: list[tuple[int, int]] = []
    again = opened(tmp_path / "work", resume=True)
    found = joined(world, again, tmp_path / "second", progress=lambda done, total: told.append((done, total)))
    assert found == expected
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_without_resume_a_run_begins_afresh(make: Make, tmp_path: Path) -> None:
    store = opened(tmp_path / "work")
    joined(make(), store, tmp_path / "first")
    assert store.done() == (0, 1, 2, 3)
    assert opened(tmp_path / "work", resume=True).done() == (0, 1, 2, 3)
    assert opened(tmp_path / "work").done() == ()


def test_parts_of_another_run_are_refused_and_other_folders_left_alone(tmp_path: Path) -> None:
    opened(tmp_path / "work")
    with pytest.raises(InputError, match="--resume"):
        opened(tmp_path / "work", decided={"run": "two"}, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep", encoding="utf-8")
    for resume in (True, False):
        with pytest.raises(InputError, match="unfinished run"):
            opened(tmp_path / "mine", resume=resume)
    assert (tmp_path / "mine" / "letter.txt").exists()


def test_a_run_killed_while_it_wrote_its_ledger_may_begin_again(tmp_path: Path) -> None:
    folder, building = tmp_path / "run.work", tmp_path / ".run.part-00000000"
    folder.mkdir()
    (folder / ".ledger.part-0a0b0c0d.json").touch()
    PartStore.open(folder, decided={"seed": 1}, resume=False, building=building)
    assert [one.name for one in folder.iterdir()] == ["ledger.json"]


def test_what_has_changed_since_is_named(tmp_path: Path) -> None:
    first = {
        "inputs": {"cohort": {"sha256": "a"}},
        "scenario": {"run": {"weeks": 60, "seed": 1}},
        "package": {"x": "1"},
    }
    opened(tmp_path / "work", decided=first)
    other = {
        "inputs": {"cohort": {"sha256": "b"}},
        "scenario": {"run": {"weeks": 30, "seed": 1}},
        "package": {"x": "2"},
    }
    with pytest.raises(InputError) as refused:
        opened(tmp_path / "work", decided=other, resume=True)
    said = str(refused.value)
    for words in ("inputs.cohort.sha256", "scenario.run.weeks (60, now 30)", "the program itself"):
        assert words in said
    assert "seed" not in said
    assert opened(tmp_path / "work", decided=first, resume=True).kept() == "Nothing was done yet."


def test_what_a_killed_run_was_building_is_removed(tmp_path: Path) -> None:
    names = [".out.part-0123abcd", ".out.part-notes", ".other.part-0123abcd"]
    for name in names:
        (tmp_path / name).mkdir()
    opened(tmp_path / "work", resume=True)
    assert [(tmp_path / name).exists() for name in names] == [False, True, True]


def test_few_results_wait_in_memory(make: Make) -> None:
    seen = [one.replication for one in replications(make(weeks=1), range(7), workers=2)]
    assert sorted(seen) == list(range(7))


# ------------------------------------------------------------------ precision


def test_replications_are_added_until_the_interval_is_narrow(make: Make, tmp_path: Path) -> None:
    pilot = joined(make(), opened(tmp_path / "pilot work"), tmp_path / "pilot")
    told = json.loads(pilot["summary.json"])["outcomes"]["grams_due_g"]
    wanted = 0.6 * (told["high"] - told["mean"])
    world = make(precision={"grams_due_g": wanted}, most_replications=60)
    found = joined(world, opened(tmp_path / "work"), tmp_path / "out")
    summary = json.loads(found["summary.json"])
    assert summary["replications"] > 4
    said = summary["precision"]["grams_due_g"]
    assert said["reached"]
    assert said["half_width"] <= wanted
    assert said["pilot_replications"] == 4
    assert said["replications_needed_by_pilot"] > 4
    interval = summary["outcomes"]["grams_due_g"]
    assert interval["high"] - interval["mean"] == pytest.approx(said["half_width"])
    two = joined(world, opened(tmp_path / "two work"), tmp_path / "two", workers=2)
    assert two == found


def test_precision_ends_at_the_most_that_may_be_played(make: Make, tmp_path: Path) -> None:
    wanted = {"grams_due_g": 1e-6, "first_tier_3_week": 0.5}
    found = joined(make(precision=wanted, most_replications=6), opened(tmp_path / "work"), tmp_path / "out")
    summary = json.loads(found["summary.json"])
    assert summary["replications"] == 6
    assert not summary["precision"]["grams_due_g"]["reached"]
    assert summary["precision"]["grams_due_g"]["replications_needed_by_pilot"] > 1000


def test_precision_of_an_unknown_outcome_is_refused() -> None:
    run = with_run(load_scenario("baseline"), precision={"fill_grade_5_percent": 1.0}).run
    with pytest.raises(InputError, match="fill_grade_4_percent"):
        check_precision(run)
    with pytest.raises(InputError, match="--precision"):
        with_run(load_scenario("baseline"), precision={"unmet_g": -1.0})


def test_summary_keeps_intervals_within_what_can_be(make: Make) -> None:
    from allocation.simulation import summary

    world = make(replications=2)
    values = {name: np.array([0.0, 100.0, 100.0]) for name in OUTCOMES}
    told = summary(head_of(world, "small"), values)
    assert told["confidence_level"] == 0.95
    assert told["replications"] == 3
    for one in told["outcomes"].values():  # type: ignore[attr-defined]
        assert one["low"] == 0
        assert (one["high"] == 100) == (one["unit"] == "%")


# ------------------------------------------------------------------ killed


def command(folder: Path, out: str, *more: str) -> list[str]:
    cohort, scenario = str(folder / "cohort.csv"), str(folder / "deep.toml")
    return [
        *(sys.executable, "-m", "allocation", "simulate", scenario, "--cohort", cohort),
        *("--out", str(folder / out), "--replications", "6", "--weeks", "10", *more),
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], float]:
    """A folder with a cohort and a scenario, the bytes of a run that nothing interrupts, and the seconds it took."""
    folder = tmp_path_factory.mktemp("killed")
    given = {"rulebook": load_rulebook(), "panels": load_panels(), "products": load_products()}
    cohort = generate_cohort(patients=200, seed=7, as_of=date(2026, 11, 1), epidemiology=load_epidemiology(), **given)
    write_table(cohort, folder / "cohort.csv")
    text = 'name = "deep"\ntitle = "Deep"\nextends = "baseline"\n'
    text += '[[disruption]]\nkind = "output_cut"\nstart_week = 1\nweeks = 30\nfraction = 0.4\n'
    (folder / "deep.toml").write_text(text, encoding="utf-8")
    began = time.monotonic()
    subprocess.run(command(folder, "whole"), check=True, capture_output=True)
    return folder, bytes_of(folder / "whole"), time.monotonic() - began


def kill_and_go_on(uninterrupted: tuple[Path, dict[str, bytes], float], out: str, share: float, workers: int) -> None:
    folder, expected, seconds = uninterrupted
    process = subprocess.Popen(
        command(folder, out, "--workers", str(workers)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds * share)
    process.kill()
    process.wait()
    subprocess.run(command(folder, out, "--resume"), check=True, capture_output=True)
    assert bytes_of(folder / out) == expected
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == set(), "nothing is left lying about"


def test_a_killed_run_goes_on_to_the_same_bytes(uninterrupted: tuple[Path, dict[str, bytes], float]) -> None:
    kill_and_go_on(uninterrupted, "once", 0.7, workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_ten_random_moments(uninterrupted: tuple[Path, dict[str, bytes], float], number: int) -> None:
    share = random.Random(number).uniform(0.05, 1.1)
    kill_and_go_on(uninterrupted, f"run {number}", share, workers=1 + number % 2)


@pytest.mark.parametrize("resume", [True, False])
def test_ctrl_c_keeps_what_is_done_only_for_a_run_to_go_on_with(
    uninterrupted: tuple[Path, dict[str, bytes], float], resume: bool
) -> None:
    from allocation.workflow.rules_in_use import load_rules
    from allocation.workflow.simulating import simulate

    folder, _, _ = uninterrupted

    def interrupt(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(
            str(folder / "deep.toml"),
            cohort=folder / "cohort.csv",
            replications=3,
            weeks=2,
            seed=None,
            workers=1,
            strict=False,
            out=folder / "stopped",
            progress=interrupt,
            rules=load_rules(rulebook="nhs", products=None, panels=None, tiers=None),
            resume=resume,
        )
    work = folder / ".stopped.work"
    assert work.exists() == resume
    assert not (folder / "stopped").exists()
    shutil.rmtree(work, ignore_errors=True)
