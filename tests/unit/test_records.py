"""Records: one spelling, whole or not at all, and nothing of this machine."""

import hashlib
import json
from datetime import date
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from allocation import __version__
from allocation.errors import InputError
from allocation.records import (
    PROGRAM,
    atomic_path,
    canonical_json,
    manifest,
    new_folder,
    sha256_of,
    write_text_atomic,
)


class Colour(Enum):
    RED = "red"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"immunoglobulin\r\n")
    assert sha256_of(path) == hashlib.sha256(b"immunoglobulin\r\n").hexdigest()


def test_sha256_of_nothing_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file that can be read"):
        sha256_of(tmp_path / "missing.csv")


def test_json_has_one_spelling() -> None:
    text = canonical_json({"b": [1, 2.5, None, True], "a": {"é": np.int64(3), "d": date(2026, 2, 13)}, "c": Colour.RED})
    assert text == (
        '{\n  "a": {\n    "d": "2026-02-13",\n    "é": 3\n  },\n'
        '  "b": [\n    1,\n    2.5,\n    null,\n    true\n  ],\n  "c": "red"\n}\n'
    )
    assert canonical_json({"x": 1, "y": 2}) == canonical_json({"y": 2, "x": 1})


def test_json_takes_numpy_and_keeps_every_digit() -> None:
    value = {"grams": np.array([0.1 + 0.2, 1e-9]), "count": np.int32(7), "done": np.bool_(True), 5: "vials"}
    assert json.loads(canonical_json(value)) == {
        "grams": [0.1 + 0.2, 1e-9],
        "count": 7,
        "done": True,
        "5": "vials",
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan"), {"deep": [np.array([np.nan])]}])
def test_json_refuses_what_it_cannot_say(value: object) -> None:
    with pytest.raises(ValueError, match="JSON has no number"):
        canonical_json({"value": value})


@pytest.mark.parametrize("value", [Path("runs"), {1, 2}, object(), np.datetime64("2026-02-13T00:00:00")])
def test_json_refuses_paths_and_strangers(value: object) -> None:
    with pytest.raises(TypeError, match="a record cannot hold"):
        canonical_json([value])


def test_json_refuses_keys_that_are_the_same_as_text() -> None:
    with pytest.raises(ValueError, match="two keys"):
        canonical_json({1: "a", "1": "b"})


def test_text_is_written_with_line_feeds_in_utf8(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "note.txt"
    write_text_atomic(path, "größe\nzwei\n")
    assert path.read_bytes() == "größe\nzwei\n".encode()
    assert names_in(path.parent) == ["note.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")

    def fails() -> None:
        with atomic_path(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.csv"]


def test_a_folder_is_no_place_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the name of a file"):
        write_text_atomic(tmp_path, "x")


def test_a_file_on_the_way_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("x")
    with pytest.raises(InputError, match="a place that can be written"):
        write_text_atomic(tmp_path / "blocked" / "out.txt", "x")


def test_new_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "reports" / "run"
    with new_folder(target) as folder:
        (folder / "patients.csv").write_text("a")
        assert not target.exists()
        assert folder.parent == target.parent
    assert names_in(target) == ["patients.csv"]
    assert names_in(target.parent) == ["run"]


def test_new_folder_takes_an_empty_one(tmp_path: Path) -> None:
    target = tmp_path / "run"
    target.mkdir()
    with new_folder(target) as folder:
        (folder / "a").write_text("a")
    assert names_in(target) == ["a"]


def test_new_folder_replaces_an_older_run_of_ours_with_all_it_holds(tmp_path: Path) -> None:
    target = tmp_path / "run"
    for name in ("old", "new"):
        with new_folder(target) as folder:
            (folder / name).write_text(name)
            (folder / "manifest.json").write_text(canonical_json({"program": PROGRAM}))
    assert names_in(target) == ["manifest.json", "new"]
    assert names_in(tmp_path) == ["run"]


@pytest.mark.parametrize("marker", [None, "{}", '{"program": "other"}', "not json", "[1]"])
def test_new_folder_never_takes_the_place_of_other_files(tmp_path: Path, marker: str | None) -> None:
    target = tmp_path / "run"
    target.mkdir()
    (target / "thesis.docx").write_text("years of work")
    if marker is not None:
        (target / "manifest.json").write_text(marker)
    entered = False
    with pytest.raises(InputError, match="name another folder"), new_folder(target):
        entered = True
    assert not entered, "refused before any work is done"
    assert (target / "thesis.docx").read_text() == "years of work"
    assert names_in(tmp_path) == ["run"]


def test_one_command_at_a_time_works_on_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with new_folder(target) as first:
        (first / "manifest.json").write_text('{"program": "igalloc"}', encoding="utf-8")
        with pytest.raises(InputError, match="no other command is writing"), new_folder(target):
            pass
        with new_folder(tmp_path / "another"):
            pass
        assert sorted(path.name for path in tmp_path.iterdir()) == [".run.lock", first.name, "another"]
    with new_folder(target):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "run"]


def test_new_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(InputError, match="A file has this name"), new_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_new_folder_leaves_nothing_behind_when_the_work_fails(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "run"
    with new_folder(target) as folder:
        (folder / "manifest.json").write_text(canonical_json({"program": PROGRAM}))

    def fails() -> None:
        with new_folder(target) as folder:
            (folder / "half.csv").write_text("x")
            raise error

    with pytest.raises(error):
        fails()
    assert names_in(tmp_path) == ["run"]
    assert names_in(target) == ["manifest.json"]


def test_manifest_names_inputs_by_base_name_and_hash(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("x")
    found = manifest(
        command="allocate",
        inputs={"cohort": cohort},
        options={"tier": 3, "out": tmp_path / "run"},
        seed=7,
        rulebook="nhs_2021 1.0",
        extra={"solver": "highs"},
    )
    assert found["program"] == PROGRAM
    assert found["version"] == __version__
    assert found["inputs"] == {"cohort": {"file": "cohort.csv", "sha256": sha256_of(cohort)}}
    assert found["options"] == {"tier": 3, "out": "run"}
    assert found["seed"] == 7
    assert found["solver"] == "highs"
    assert set(found["libraries"]) == {"numpy", "pandas", "pulp", "highspy", "simpy"}
    assert found["libraries"]["numpy"] == np.__version__
    assert str(tmp_path) not in canonical_json(found)


def test_the_same_run_gives_the_same_manifest(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    runs = [
        canonical_json(manifest(command="grade", inputs={"a": path}, options={}, seed=None, rulebook="r"))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_manifest_keys_are_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed"):
        manifest(command="x", inputs={}, options={}, seed=1, rulebook="r", extra={"seed": 2})
