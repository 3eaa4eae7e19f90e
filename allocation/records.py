"""Leaving a record: hashes, JSON with one spelling, files and folders that appear whole or not at all.

Nothing here takes the time of day or a path of this machine into a record, so the same run leaves the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from allocation import __version__
from allocation.errors import Fault, InputError

__all__ = ["PROGRAM", "atomic_path", "canonical_json", "manifest", "new_folder", "sha256_of", "write_text_atomic"]

PROGRAM = "igalloc"
"""Value of the key ``program`` in every manifest of ours; it tells our folders from other people's."""

_LIBRARIES = ("numpy", "pandas", "pulp", "highspy", "simpy")
_RESERVED = ("program", "version", "python", "libraries", "command", "inputs", "options", "seed", "rulebook")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None


def canonical_json(value: object) -> str:
    """JSON with one spelling for one value: sorted keys, two spaces of indent, a newline at the end.

    Mappings, sequences, text, numbers, booleans, None, dates, enums and NumPy scalars and arrays are taken.

    Raises
    ------
    ValueError
        For NaN or an infinity, which JSON cannot say, and for two keys that are the same as text.
    TypeError
        For anything else; a path is refused on purpose, since it would tell where the run was made.
    """
    plain = _plain(value)
    return json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no number for {value!r}; write None where there is no value")
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind not in "mM":
        # NumPy turns a date to a bare count of nanoseconds, so dates come as ``date``.
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        keys = {key: str(_plain(key)) for key in value}
        if len(set(keys.values())) != len(keys):
            raise ValueError(f"two keys are the same as text: {', '.join(sorted(keys.values()))}")
        return {text: _plain(value[key]) for key, text in keys.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Path to write to in place of ``path``, which takes its contents in one step when the block ends well.

    The temporary file lies in the same folder (made where missing) and has the same suffix. On any error or
    interruption it is removed and ``path`` stays as it was.

    Raises
    ------
    InputError
        Where the folder cannot be made or the file cannot be written, for example while Excel holds it open.
    """
    if path.is_dir():
        raise InputError(Fault(str(path), "the name of a file", remedy="This is a folder; name a file in it."))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(_unwritable(path.parent, error)) from None
    part = path.with_name(f".{path.stem}.part-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(_unwritable(path, error)) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write text as UTF-8 with line feeds on every platform, whole or not at all.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def new_folder(target: Path, *, overwrite_marker: str = "manifest.json") -> Iterator[Path]:
    """Temporary folder beside ``target`` that takes its place in one rename when the block ends well.

    One command at a time may be at work on a target; a second one is refused before it can touch what the first has.

    An older run of ours there (told by the manifest in it) is replaced with all it holds; an empty folder is
    used. On any error or interruption the temporary folder is removed and ``target`` stays as it was.

    Parameters
    ----------
    target
        Where the folder is to be.
    overwrite_marker
        Name of the file in an older run that says it is ours: JSON with ``"program": "igalloc"``.

    Raises
    ------
    InputError
        Where ``target`` is a file, or a folder that holds something else than a run of ours, or cannot be written, or
        another command is writing it.
    """
    _check_free(target, overwrite_marker)
    part = target.with_name(f".{target.name}.part-{secrets.token_hex(4)}")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise InputError(_unwritable(target, error)) from None
    try:
        with _alone(target):
            yield part
            _check_free(target, overwrite_marker)
            _put_in_place(part, target)
    finally:
        # ``part`` no longer exists once it has been renamed.
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold a target while the block lasts. The system lets go of it when the process ends, however it ends."""
    # SQLite's lock of a file is the one that the standard library has on every system.
    import sqlite3

    mark = target.with_name(f".{target.name}.lock")
    held = sqlite3.connect(mark, timeout=0, isolation_level=None)
    try:
        held.execute("PRAGMA journal_mode=MEMORY")
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            held.close()
            remedy = "Wait until it is done, or name another folder."
            raise InputError(Fault(str(target), "a folder that no other command is writing", remedy=remedy)) from None
        # Some network drives know no locks; there the work goes on as if alone.
    try:
        yield
    finally:
        held.close()
        mark.unlink(missing_ok=True)


def _check_free(target: Path, marker: str) -> None:
    if target.name in {"", ".."}:
        raise InputError(
            Fault(str(target), "a named folder", remedy="Give the folder a name, for example reports/run.")
        )
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(Fault(str(target), "a folder", remedy="A file has this name; choose another."))
    if any(target.iterdir()) and not _is_ours(target / marker):
        raise InputError(
            Fault(
                str(target),
                f"a new or empty folder, or an older run with its {marker}",
                remedy="It holds other files, which would be lost; name another folder.",
            )
        )


def _is_ours(marker: Path) -> bool:
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("program") == PROGRAM


def _put_in_place(part: Path, target: Path) -> None:
    old: Path | None = None
    try:
        if target.exists():
            # Windows cannot rename onto a folder, so the older run steps aside and comes back if we fail.
            old = target.with_name(f".{target.name}.old-{secrets.token_hex(4)}")
            target.rename(old)
        part.rename(target)
    except OSError as error:
        if old is not None and not target.exists():
            old.rename(target)
        raise InputError(_unwritable(target, error)) from None
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def manifest(
    *,
    command: str,
    inputs: Mapping[str, Path],
    options: Mapping[str, object],
    seed: int | None,
    rulebook: str,
    extra: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What is needed to repeat a run and to tell whether its inputs have changed since.

    Parameters
    ----------
    command
        The command as typed after ``igalloc``, for example ``allocate``.
    inputs
        Files read, by what they were to the run (``cohort``, ``stock``); only base name and SHA-256 are kept.
    options
        Everything else that decides the result. A path is cut to its base name.
    seed
        Root seed; None where nothing was drawn.
    rulebook
        Id and version of the rulebook.
    extra
        More keys, for example the solver.

    Raises
    ------
    InputError
        Where an input cannot be read.
    ValueError
        Where ``extra`` would replace a key of the manifest.
    """
    more = dict(extra or {})
    taken = sorted(set(more) & set(_RESERVED))
    if taken:
        raise ValueError(f"these keys belong to the manifest: {', '.join(taken)}")
    return {
        "program": PROGRAM,
        "version": __version__,
        "python": platform.python_version(),
        "libraries": {name: _version_of(name) for name in _LIBRARIES},
        "command": command,
        "inputs": {role: {"file": path.name, "sha256": sha256_of(path)} for role, path in inputs.items()},
        "options": {name: value.name if isinstance(value, Path) else value for name, value in options.items()},
        "seed": seed,
        "rulebook": rulebook,
        **more,
    }


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _unreadable(path: Path, error: OSError) -> Fault:
    return Fault(str(path), "a file that can be read", remedy=f"The system says: {error.strerror or error}.")


def _unwritable(path: Path, error: OSError) -> Fault:
    held = " If it is open in another program, such as Excel, close it there." if path.exists() else ""
    return Fault(str(path), "a place that can be written", remedy=f"The system says: {error.strerror or error}.{held}")
