"""What to do about a code that is not known: the nearest ones, and where others come from."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from allocation.rules import FLAGS, Rulebook

__all__ = ["code_remedy", "near_column", "nearest"]

_NEAR_CODE = 0.6
_NEAREST = 3
_NEAR_COLUMN = 0.85
_YES = {"y", "yes", "true", "t", "1", "x"}
_NO = {"n", "no", "false", "f", "0"}
_SEX = {"m": "M", "male": "M", "man": "M", "boy": "M", "f": "F", "female": "F", "woman": "F", "girl": "F"}
_MORE = {
    "panel": "Other panels come with --panels FILE.",
    "product": "Other products come with --products FILE.",
    "indication": "Write unlisted for an indication that the rulebook does not list.",
}


def nearest(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three known codes spelt most like ``text``, the nearest first; capitals do not count."""
    plain = _plain(text)
    likeness = {code: SequenceMatcher(None, plain, code.casefold()).ratio() for code in known}
    near = (code for code, ratio in likeness.items() if ratio >= _NEAR_CODE)
    return tuple(sorted(near, key=lambda code: (-likeness[code], code))[:_NEAREST])


def code_remedy(column: str, text: str, *, known: Iterable[str], rulebook: Rulebook, flag: bool) -> str:
    """What to write in place of a code or flag that is not known."""
    plain = text.casefold()
    if flag:
        if plain in _YES | _NO:
            return f"Write {'yes' if plain in _YES else 'no'} in full, in lower case."
        return "Write yes or no, or leave it blank where it is not known."
    if column == "sex" and plain in _SEX:
        return f"Write {_SEX[plain]}."
    if column == "indication" and "/" in text:
        indication, _, situation = plain.partition("/")
        if rulebook.find(indication, situation) is not None:
            return f"Write {indication} here and {situation} under situation."
    near = nearest(text, known)
    if near and near[0].casefold() == plain:
        return f"Write {near[0]}, with the same capitals."
    parts = [f"The nearest: {', '.join(near)}." if near else "", _MORE.get(column, "")]
    return " ".join(part for part in parts if part) or "Check its spelling."


def near_column(name: str, known: Iterable[str], *, present: frozenset[str]) -> str | None:
    """Column that ``name`` was very likely meant to be; None where it is a column of the user's own.

    It is where it differs only in capitals and spacing, or where the known column is absent and ``name`` is spelt
    almost the same or is its beginning (``dose`` for ``dose_g``; not for flags, whose first words are common).
    """
    plain = _plain(name)
    best: tuple[float, str] | None = None
    for column in known:
        if plain == column:
            return column
        if column in present:
            continue
        stem = column.startswith(f"{plain}_") and column not in FLAGS
        likeness = 1.0 if stem else SequenceMatcher(None, plain, column).ratio()
        if likeness >= _NEAR_COLUMN and (best is None or likeness > best[0]):
            best = (likeness, column)
    return best[1] if best else None


def _plain(text: str) -> str:
    return "_".join(text.casefold().replace("-", " ").replace("_", " ").split())
