"""The rows of one rulebook beside the entries of another: which speak of the same patients, and where they differ.

``data/crosswalk.toml`` has the pairs, the notes and the rule by which the two differ. Grades, categories and doses
stay in the rulebooks and are joined here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from allocation.errors import Fault, InputError
from allocation.resources import package_data
from allocation.rules.base import EntryCode, Grade, Model
from allocation.rules.load import load_rulebook, parse, read_toml
from allocation.rules.models import STRENGTHS, Assumption, Category, Entry, Rulebook
from allocation.rules.table import CATEGORY_WORDS, STRENGTH_WORDS, describe_regimen, find_entry

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "Agreement",
    "Crosswalk",
    "Mapping",
    "check_crosswalk",
    "crosswalk_table",
    "describe_second_opinion",
    "load_crosswalk",
    "second_opinion",
]

Agreement = Literal["agree", "differ", "no_entry"]

COLUMNS = (
    "code",
    "title",
    "base_grade",
    "highest_grade",
    "prairie_code",
    "prairie_title",
    "covers",
    "category",
    "strength",
    "agreement",
    "row_agreement",
    "note",
)
"""Columns of :func:`crosswalk_table`, in order."""

# Code, title, what it covers, category, strength and agreement of one entry, in words.
_Pair = tuple[str, str, str, str, str, Agreement]
_NO_PAIR: _Pair = ("", "", "", "", "", "no_entry")
_FAVOURABLE_FIRST: tuple[Category, ...] = tuple(STRENGTHS)


class Mapping(Model):
    """One row of the first rulebook and the entries of the second that speak of its patients.

    ``prairie`` are entries on what the row is about, and decide whether the two agree; ``prairie_in_part`` those that
    only some of its patients fall under. A row without any entry says why in ``note``.
    """

    nhs: EntryCode
    prairie: tuple[EntryCode, ...]
    prairie_in_part: tuple[EntryCode, ...] = ()
    note: str = ""
    assumptions: tuple[str, ...] = ()

    @property
    def every_entry(self) -> tuple[EntryCode, ...]:
        """Entries on the whole row, then those on a part of it."""
        return (*self.prairie, *self.prairie_in_part)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(set(self.every_entry)) != len(self.every_entry):
            raise ValueError("an entry is named twice")
        if self.prairie_in_part and not self.prairie:
            raise ValueError("entries for a part of the patients need one for the row")
        if not self.prairie and not self.note:
            raise ValueError("a row without an entry needs a note that says so")
        return self


class Crosswalk(Model):
    """All mappings, with the grades that each category differs from.

    An assumption that no mapping names applies to every one.
    """

    nhs: str
    prairie: str
    version: str
    differ: dict[Category, tuple[Grade, ...]]
    assumption: tuple[Assumption, ...] = ()
    mapping: Annotated[tuple[Mapping, ...], Field(min_length=1)]

    @field_validator("differ")
    @classmethod
    def _every_category_has_its_grades(cls, value: dict[Category, tuple[Grade, ...]]) -> dict[Category, Any]:
        missing = [category for category in STRENGTHS if category not in value]
        if missing:
            raise ValueError(f"grades (perhaps none) are needed for {', '.join(missing)}")
        return value

    @model_validator(mode="after")
    def _rows_stand_once(self) -> Self:
        codes = [mapping.nhs for mapping in self.mapping]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"these rows stand more than once: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _assumptions_named_are_there(self) -> Self:
        unknown = sorted(self._named() - {assumption.id for assumption in self.assumption})
        if unknown:
            raise ValueError(f"unknown assumption {', '.join(unknown)}")
        return self

    def _named(self) -> set[str]:
        return {name for mapping in self.mapping for name in mapping.assumptions}

    def find(self, code: str) -> Mapping | None:
        """The mapping of a row of the first rulebook, or None where it is not known here."""
        return next((mapping for mapping in self.mapping if mapping.nhs == code), None)

    def assumptions_of(self, mapping: Mapping) -> tuple[Assumption, ...]:
        """Assumptions that a mapping names, and those that apply to all."""
        elsewhere = self._named() - set(mapping.assumptions)
        return tuple(assumption for assumption in self.assumption if assumption.id not in elsewhere)

    def agreement(self, grade: int, categories: Iterable[Category]) -> Agreement:
        """Whether a grade differs from any of these categories; ``no_entry`` where there are none.

        Examples
        --------
        >>> crosswalk = load_crosswalk()
        >>> crosswalk.agreement(1, ["do_not_do"]), crosswalk.agreement(2, ["do_not_know"])
        ('differ', 'agree')
        """
        found = tuple(categories)
        if not found:
            return "no_entry"
        return "differ" if any(grade in self.differ[category] for category in found) else "agree"


@lru_cache(maxsize=8)
def load_crosswalk(path: Path | None = None) -> Crosswalk:
    """The crosswalk that comes with igalloc, or that of a file.

    Raises
    ------
    InputError
        Where the file does not hold to its schema, or ours names a code that its rulebooks do not have.
    """
    source = path or package_data("rules", "data", "crosswalk.toml")
    crosswalk = parse(Crosswalk, read_toml(source), str(source))
    if path is None:
        check_crosswalk(crosswalk, nhs=load_rulebook("nhs"), prairie=load_rulebook("prairie"), source=str(source))
    return crosswalk


def check_crosswalk(crosswalk: Crosswalk, *, nhs: Rulebook, prairie: Rulebook, source: str = "the crosswalk") -> None:
    """Refuse a crosswalk that leaves out a row of the first rulebook, or names a code that one of them lacks.

    Raises
    ------
    InputError
        With a fault for each code.
    """
    rows = list(dict.fromkeys(entry.key for entry in nhs.entry))
    entries = {entry.key for entry in prairie.entry}
    mapped = {mapping.nhs for mapping in crosswalk.mapping}
    faults = [Fault(source, f"a mapping of {code}", column="mapping") for code in rows if code not in mapped]
    for mapping in crosswalk.mapping:
        if mapping.nhs not in rows:
            faults.append(Fault(source, f"a code of rulebook {nhs.id}", column="nhs", value=mapping.nhs))
        faults.extend(
            Fault(source, f"a code of rulebook {prairie.id}", column=f"{mapping.nhs}.prairie", value=code)
            for code in mapping.every_entry
            if code not in entries
        )
    if faults:
        raise InputError(faults)


def crosswalk_table(nhs: Rulebook, prairie: Rulebook, crosswalk: Crosswalk) -> pd.DataFrame:
    """Each row of the first rulebook beside each of its entries in the second.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`, one row a pair in the order of the first rulebook; a row without an entry stands once,
        with blanks. ``covers`` is ``row`` or ``part``. ``agreement`` is that of the pair by the base grade,
        ``row_agreement`` that of the row by all its entries that cover it.

    Raises
    ------
    InputError
        Where the crosswalk does not fit the rulebooks.
    """
    import pandas as pd

    check_crosswalk(crosswalk, nhs=nhs, prairie=prairie)
    rows: list[tuple[Any, ...]] = []
    for code in dict.fromkeys(entry.key for entry in nhs.entry):
        entry, mapping = find_entry(nhs, code), _mapping_of(code, crosswalk)
        base_grade, _ = entry.graded
        highest = max((base_grade, *(upgrade.to for upgrade in entry.upgrade)))
        head = (entry.key, entry.title, base_grade, highest)
        tail = (_row_agreement(entry, mapping, prairie, crosswalk), mapping.note)
        pairs = _pairs(entry, mapping, prairie, crosswalk) or [_NO_PAIR]
        rows.extend((*head, *pair, *tail) for pair in pairs)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def second_opinion(
    code: str, *, prairie: Rulebook | None = None, crosswalk: Crosswalk | None = None
) -> Category | None:
    """Category that the second rulebook gives a row, the most favourable of the entries that cover it.

    Parameters
    ----------
    code
        ``indication`` or ``indication/situation`` of the NHS rulebook.
    prairie, crosswalk
        Those that come with igalloc, unless given.

    Returns
    -------
    str or None
        ``do``, ``do_not_know`` or ``do_not_do``; None where there is no entry, or the code is not known.

    Examples
    --------
    >>> second_opinion("gbs"), second_opinion("clostridioides_difficile"), second_opinion("polio")
    ('do', 'do_not_do', None)
    """
    mapping = (crosswalk or load_crosswalk()).find(code)
    if mapping is None:
        return None
    found = _categories(mapping, prairie or load_rulebook("prairie"))
    return min(found, key=_FAVOURABLE_FIRST.index, default=None)


def describe_second_opinion(code: str, *, nhs: Rulebook, prairie: Rulebook, crosswalk: Crosswalk) -> dict[str, Any]:
    """What the second rulebook says of a row, ready for JSON.

    Returns
    -------
    dict
        ``agreement``, ``category``, ``note``, ``entries`` (each with its category, strength, first regimen in words and
        own agreement), ``source`` and the rulings that apply. Empty where the crosswalk does not know the code.

    Raises
    ------
    InputError
        Where the rulebook lacks the code, or the crosswalk names an entry that the second rulebook lacks.
    """
    entry = find_entry(nhs, code)
    mapping = crosswalk.find(entry.key)
    if mapping is None:
        return {}
    opinion = second_opinion(entry.key, prairie=prairie, crosswalk=crosswalk)
    return {
        "agreement": _row_agreement(entry, mapping, prairie, crosswalk).replace("_", " "),
        "category": CATEGORY_WORDS.get(opinion or "", ""),
        "note": mapping.note,
        "entries": [
            {
                "code": key,
                "title": title,
                "covers": covers,
                "category": category,
                "strength": strength,
                "first_regimen": _first_regimen(find_entry(prairie, key)),
                "agreement": agreement,
            }
            for key, title, covers, category, strength, agreement in _pairs(entry, mapping, prairie, crosswalk)
        ],
        "source": {"rulebook": prairie.id, "version": prairie.version, "crosswalk": crosswalk.version},
        "assumptions": [assumption.model_dump(mode="json") for assumption in crosswalk.assumptions_of(mapping)],
    }


def _mapping_of(code: str, crosswalk: Crosswalk) -> Mapping:
    mapping = crosswalk.find(code)
    if mapping is None:
        raise InputError(Fault("the crosswalk", f"a mapping of {code}", column="mapping"))
    return mapping


def _categories(mapping: Mapping, prairie: Rulebook) -> list[Category]:
    found = (find_entry(prairie, code).category for code in mapping.prairie)
    return [category for category in found if category is not None]


def _row_agreement(entry: Entry, mapping: Mapping, prairie: Rulebook, crosswalk: Crosswalk) -> Agreement:
    return crosswalk.agreement(entry.graded[0], _categories(mapping, prairie))


def _pairs(entry: Entry, mapping: Mapping, prairie: Rulebook, crosswalk: Crosswalk) -> list[_Pair]:
    pairs: list[_Pair] = []
    for code in mapping.every_entry:
        other = find_entry(prairie, code)
        if other.category is None or other.strength is None:
            raise InputError(Fault("the crosswalk", "an entry with a category", column=mapping.nhs, value=code))
        agreement = crosswalk.agreement(entry.graded[0], [other.category])
        covers = "row" if code in mapping.prairie else "part"
        category, strength = CATEGORY_WORDS[other.category], STRENGTH_WORDS[other.strength]
        pairs.append((other.key, other.title, covers, category, strength, agreement))
    return pairs


def _first_regimen(entry: Entry) -> str:
    return describe_regimen(entry.regimen[0]) if entry.regimen else ""
