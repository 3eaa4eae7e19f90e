"""What every run folder has: records in one spelling, and hashes of what was written."""

from __future__ import annotations

from pathlib import Path

from allocation.records import canonical_json, sha256_of, write_text_atomic

__all__ = ["outputs_of", "write_json"]


def outputs_of(folder: Path, *, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """SHA-256 of every file in a folder, by name, so that a later change of one can be told."""
    return {
        path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name not in leave_out
    }


def write_json(path: Path, value: object) -> None:
    """Write a record as JSON, whole or not at all."""
    write_text_atomic(path, canonical_json(value))
