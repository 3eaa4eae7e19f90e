"""Whether what a run was made from has changed since: the program, the rulebook, and the files it read.

A manifest holds base names and hashes and no places, so a file of the user's cannot be found again from it. What comes
with igalloc can, and is compared without asking; every other file is compared where the user names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocation import __version__
from allocation.errors import Fault, InputError
from allocation.records import sha256_of
from allocation.reporting.words import joined
from allocation.resources import NATIONAL_COHORT, SAMPLE_COHORT, bundled
from allocation.rules import load_rulebook

__all__ = ["Freshness", "freshness_of"]

_BUNDLED = (NATIONAL_COHORT, SAMPLE_COHORT)
_RULEBOOKS = ("nhs", "prairie")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is known of the inputs of a run.

    Attributes
    ----------
    stale
        Sentences on what has changed; none where nothing is known to have.
    note
        What was compared, and what was not.
    """

    stale: tuple[str, ...]
    note: str


def freshness_of(manifest: Mapping[str, Any], files: Sequence[Path] = ()) -> Freshness:
    """Compare what a manifest notes with the igalloc at hand and with the files given.

    Parameters
    ----------
    manifest
        Of a run.
    files
        Inputs of the run, where the user named them; told apart by their base names.

    Raises
    ------
    InputError
        Where a file is none of the inputs by its name, or cannot be read.
    """
    noted = _inputs(manifest)
    stale = [*_program(manifest), *_rulebook(manifest)]
    compared: list[str] = []
    for path in files:
        roles = [role for role, (name, _) in noted.items() if name == path.name]
        if not roles:
            known = joined(sorted({name for name, _ in noted.values()}), "or") or "none"
            raise InputError(Fault("--check", f"an input of the run by its name: {known}", value=path.name))
        now = sha256_of(path)
        compared += roles
        if all(now != noted[role][1] for role in roles):
            stale.append(
                f"The {joined(roles)} {path.name} has changed since the run: its SHA-256 was "
                f"{noted[roles[0]][1][:_SHOWN]}… and is {now[:_SHOWN]}…."
            )
    for place in _BUNDLED:
        ours = bundled(place)
        for role, (name, digest) in noted.items():
            if ours is not None and name == ours.name and role not in compared:
                compared.append(role)
                if sha256_of(ours) != digest:
                    stale.append(
                        f"The {role} {name} is not the file that comes with this igalloc under that name: ours has "
                        "changed since, or the run read another."
                    )
    return Freshness(tuple(stale), _note(noted, compared))


def _inputs(manifest: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Base name and hash of every input, by what it was to the run."""
    found = manifest.get("inputs")
    if not isinstance(found, Mapping):
        return {}
    return {
        str(role): (str(item.get("file", "")), str(item.get("sha256", "")))
        for role, item in found.items()
        if isinstance(item, Mapping)
    }


def _program(manifest: Mapping[str, Any]) -> list[str]:
    made = str(manifest.get("version", ""))
    return [f"The run was made by igalloc {made}; this is {__version__}."] if made and made != __version__ else []


def _rulebook(manifest: Mapping[str, Any]) -> list[str]:
    """A rulebook of ours that has another version now; a user's own is compared as a file."""
    name, _, version = str(manifest.get("rulebook", "")).partition(" ")
    for known in _RULEBOOKS:
        book = load_rulebook(known)
        if book.id == name and book.version != version:
            return [f"The run used version {version} of the rulebook {name}; this igalloc has {book.version}."]
    return []


def _note(noted: Mapping[str, tuple[str, str]], compared: Sequence[str]) -> str:
    left = sorted({name for role, (name, _) in noted.items() if role not in compared})
    if not noted:
        return "The run notes no input files."
    first = ""
    if compared:
        named = sorted({noted[role][0] for role in compared})
        first = f"Inputs compared with what the run read: {_listed(named)}. "
    if not left:
        return first.strip()
    return (
        f"{first}Not compared, as a manifest holds no places: {_listed(left)}; name them by "
        "igalloc report DIR --check FILE to see whether they have changed."
    )


def _listed(names: list[str]) -> str:
    if len(names) <= _SHOWN:
        return joined(names)
    return f"{names[0]} to {names[-1]} ({len(names)} files)"
