"""A run in parts: each replication is written whole or not at all, so that a run killed at any moment can go on."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from allocation.errors import Fault, InputError
from allocation.records import PROGRAM, canonical_json, sha256_of, write_text_atomic
from allocation.simulation.cluster import Player, on_cluster
from allocation.simulation.outcomes import OUTCOMES
from allocation.simulation.precision import next_total, report_of
from allocation.simulation.replicate import replications
from allocation.simulation.results import ReplicationResult, RunHead
from allocation.simulation.world import World
from allocation.simulation.write import PART_FILES, write_part

__all__ = ["PartStore", "played_in_parts"]

_LEDGER = "ledger.json"
_PART = "part.json"
_MOST_CHANGES = 4
_TEMPORARY = re.compile(r"\..+\.part-[0-9a-f]{8}")
_LEDGER_HALF_WRITTEN = re.compile(r"\.ledger\.part-[0-9a-f]{8}\.json")


@dataclass(frozen=True, slots=True)
class PartStore:
    """The replications of a run that are done, each in a folder of its own.

    A part is written beside its place and renamed, and carries the SHA-256 of its files. The ledger says which run the
    parts belong to: all that decides a replication, and a hash of it.

    Attributes
    ----------
    folder
        Where the parts are.
    """

    folder: Path

    @staticmethod
    def open(folder: Path, *, decided: Mapping[str, object], resume: bool, building: Path) -> PartStore:
        """Take up the parts of the same run, or begin afresh.

        Parameters
        ----------
        decided
            All that decides a replication, ready for JSON: inputs by their hash, scenario, rules, versions.
        building
            Temporary folder of the result, named by :func:`allocation.records.new_folder`; those that killed runs left
            beside it are removed.

        Raises
        ------
        InputError
            Where ``resume`` is asked for and the parts belong to another run, or the folder is not ours.
        """
        found = _read_ledger(folder)
        if folder.exists() and found is None:
            # A run that was killed in its first moment left no more than this.
            for one in folder.iterdir():
                if _LEDGER_HALF_WRITTEN.fullmatch(one.name):
                    one.unlink()
        if folder.exists() and found is None and any(folder.iterdir()):
            raise InputError(Fault(str(folder), "a folder of an unfinished run", remedy="Move it out of the way."))
        text = canonical_json(decided)
        run_id = hashlib.sha256(text.encode("utf-8")).hexdigest()
        if resume and found is not None and found.get("run_id") != run_id:
            raise InputError(
                Fault(
                    "--resume",
                    "the cohort, scenario, options, rules and version that the unfinished run had",
                    remedy=f"{_changed(found.get('decided'), json.loads(text))} Without --resume it starts afresh.",
                )
            )
        stem = building.name.rpartition("-")[0]
        for left in building.parent.iterdir():
            ours = left.name.startswith(f"{stem}-") and _TEMPORARY.fullmatch(left.name)
            if ours and left.name != building.name:
                shutil.rmtree(left, ignore_errors=True)
        if folder.exists() and not resume:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        record = {"program": PROGRAM, "run_id": run_id, "decided": decided}
        write_text_atomic(folder / _LEDGER, canonical_json(record))
        for stray in folder.glob(".part-*"):
            shutil.rmtree(stray, ignore_errors=True)
        return PartStore(folder)

    def path(self, replication: int) -> Path:
        """Folder of a replication."""
        return self.folder / f"replication-{replication:06d}"

    def done(self) -> tuple[int, ...]:
        """Numbers of the replications that are there, whole and unchanged; others are removed."""
        numbers = []
        for part in sorted(self.folder.glob("replication-*")):
            if _whole(part):
                numbers.append(int(part.name.removeprefix("replication-")))
            else:
                shutil.rmtree(part)
        return tuple(numbers)

    def outcomes(self, replication: int) -> dict[str, float]:
        """Outcomes of a replication that is done; NaN where there is none."""
        row = pq.read_table(self.path(replication) / "outcomes.parquet").to_pylist()[0]
        return {name: np.nan if row[name] is None else float(row[name]) for name in OUTCOMES}

    def remove(self) -> None:
        """Remove everything: the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def kept(self) -> str:
        """What is kept for ``--resume``, for who has stopped a run."""
        count = sum(1 for _ in self.folder.glob("replication-*"))
        done = f"{count} replication{'s are' if count != 1 else ' is'} done"
        return f"{done} and kept: the same command goes on with them." if count else "Nothing was done yet."

    def remove_if_empty(self) -> None:
        """Remove the folder where nothing is done yet."""
        if not any(self.folder.glob("replication-*")):
            self.remove()

    def add(self, head: RunHead, result: ReplicationResult) -> None:
        """Write a replication and put it in its place in one step."""
        draft = self.folder / f".part-{result.replication:06d}-{secrets.token_hex(4)}"
        draft.mkdir()
        write_part(head, result, draft)
        hashes = {path.name: sha256_of(path) for path in sorted(draft.iterdir())}
        write_text_atomic(draft / _PART, canonical_json(hashes))
        draft.rename(self.path(result.replication))


def played_in_parts(
    world: World,
    head: RunHead,
    store: PartStore,
    *,
    workers: int = 1,
    cluster: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Path, ...], Mapping[str, object] | None]:
    """Play what is not done yet: as many replications as the scenario says, or as its precision needs.

    Parameters
    ----------
    workers
        Processes on this machine, where no cluster is named.
    cluster
        Address of a scheduler, as for :func:`allocation.simulation.cluster.on_cluster`.

    Returns
    -------
    tuple
        Folders of the parts in the order of their numbers, and what came of the precision asked for, if any.

    Notes
    -----
    How many more are needed is decided only when all so far are done, so it does not depend on which are done first.
    """
    run = world.scenario.run
    # Of each replication only what the precision rests on is kept, so that many take no more memory than few.
    outcomes = {number: _some(store.outcomes(number), run.precision) for number in store.done()}
    report = progress or _silent
    total = run.replications
    pilot: dict[str, int] = {}
    with _player(world, workers, cluster) as play:
        while True:
            open_ = [number for number in range(total) if number not in outcomes]
            report(total - len(open_), total)
            with closing(play(open_)) as playing:
                for left, result in enumerate(playing, start=1):
                    store.add(head, result)
                    outcomes[result.replication] = _some(result.outcomes, run.precision)
                    report(total - len(open_) + left, total)
            values = {name: np.array([outcomes[one][name] for one in range(total)]) for name in run.precision}
            needed = next_total(values, run)
            pilot = pilot or needed
            more = max(needed.values(), default=total)
            following = min(more, 2 * total, max(run.most_replications, run.replications))
            if following <= total:
                break
            total = following
    parts = tuple(store.path(number) for number in range(total))
    return parts, report_of(values, run, pilot) if run.precision else None


@contextmanager
def _player(world: World, workers: int, cluster: str | None) -> Iterator[Player]:
    if cluster is None:
        yield partial(replications, world, workers=workers)
    else:
        with on_cluster(world, cluster) as play:
            yield play


def _some(outcomes: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    return {name: outcomes[name] for name in names}


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def _read_ledger(folder: Path) -> dict[str, object] | None:
    try:
        found = json.loads((folder / _LEDGER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("program") == PROGRAM else None


def _changed(before: object, now: object) -> str:
    """What of a run has changed, by the names of the ledger."""
    old, new = dict(_leaves(before, "")), dict(_leaves(now, ""))
    differs = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    # The files of the program are too many to name, and say nothing to who runs it.
    names = list(dict.fromkeys("the program itself" if name.startswith("package.") else name for name in differs))
    told = [
        f"{name} ({old.get(name, 'nothing')}, now {new.get(name, 'nothing')})" if name in _told(old, new) else name
        for name in names[:_MOST_CHANGES]
    ]
    more = f" and {len(names) - len(told)} more" if len(names) > len(told) else ""
    return f"Changed since: {', '.join(told) or 'what the ledger does not name'}{more}."


def _told(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    """Names whose values a person can read: hashes are not."""
    return {name for name in {*old, *new} if not name.endswith("sha256")}


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{name}.{place}")
    else:
        yield name, value


def _whole(part: Path) -> bool:
    try:
        hashes = json.loads((part / _PART).read_text(encoding="utf-8"))
        return all(hashes.get(name) == sha256_of(part / name) for name in {*PART_FILES, *hashes})
    except (OSError, ValueError, InputError):
        return False
