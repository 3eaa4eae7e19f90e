"""Part of a rulebook: the entries that a reader asks for by grade, category, specialty, date or words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date

from allocation.errors import Fault, InputError
from allocation.rules.models import STRENGTHS, Entry, Rulebook

__all__ = ["narrowed"]


def narrowed(
    rulebook: Rulebook,
    *,
    grades: Collection[int] = (),
    categories: Collection[str] = (),
    specialties: Collection[str] = (),
    search: str = "",
    as_of: date | None = None,
) -> Rulebook:
    """The rulebook with those entries only that meet every condition; an empty condition asks for nothing.

    Parameters
    ----------
    rulebook
        It is not changed.
    grades
        An entry has one of them where its base grade or one of its upgrades is it.
    categories, specialties
        Codes as in the entries (``do_not_do``, ``neurology``); a blank or a hyphen may stand for the underscore.
    search
        Every word must occur in the code, title, other names, inclusions or notes; capitals do not matter.
    as_of
        Only entries in force on this day.

    Raises
    ------
    InputError
        Where the rulebook has no grades, or no categories, or none of its entries has such a specialty.
    """
    if grades and rulebook.kind != "grades":
        raise InputError(_other_kind(rulebook, "--grade", "grades", remedy="Filter it by --category."))
    if categories and rulebook.kind != "categories":
        raise InputError(_other_kind(rulebook, "--category", "categories", remedy="Filter it by --grade."))
    wanted_grades = set(grades)
    for grade in sorted(wanted_grades - set(range(1, 5))):
        raise InputError(Fault("--grade", "a grade from 1 to 4", value=str(grade)))
    wanted_categories = _codes("--category", categories, tuple(STRENGTHS))
    known = tuple(dict.fromkeys(entry.specialty for entry in rulebook.entry))
    wanted_specialties = _codes("--specialty", specialties, known)
    words = search.lower().split()

    conditions: list[Callable[[Entry], bool]] = []
    if wanted_grades:
        conditions.append(lambda entry: bool(wanted_grades & _grades(entry)))
    if wanted_categories:
        conditions.append(lambda entry: entry.category in wanted_categories)
    if wanted_specialties:
        conditions.append(lambda entry: entry.specialty in wanted_specialties)
    if words:
        conditions.append(lambda entry: _holds(entry, words))
    if as_of is not None:
        conditions.append(lambda entry: entry.in_force(as_of))
    kept = tuple(entry for entry in rulebook.entry if all(condition(entry) for condition in conditions))
    return rulebook.model_copy(update={"entry": kept})


def _other_kind(rulebook: Rulebook, option: str, kind: str, *, remedy: str) -> Fault:
    return Fault(option, f"a rulebook of {kind}", value=rulebook.id, remedy=remedy)


def _codes(option: str, given: Iterable[str], known: tuple[str, ...]) -> set[str]:
    """Codes without their blanks and hyphens; refused where one is not known."""
    codes = {text: "_".join(text.strip().lower().replace("-", " ").replace("_", " ").split()) for text in given}
    faults = [
        Fault(option, f"one of {', '.join(known)}", value=text) for text, code in codes.items() if code not in known
    ]
    if faults:
        raise InputError(faults)
    return set(codes.values())


def _grades(entry: Entry) -> set[int]:
    base_grade, _ = entry.graded
    return {base_grade, *(upgrade.to for upgrade in entry.upgrade)}


def _holds(entry: Entry, words: Iterable[str]) -> bool:
    text = " ".join((entry.key, entry.title, *entry.also_called, *entry.includes, *entry.notes)).lower()
    return all(word in text or word in text.replace("_", " ") for word in words)
