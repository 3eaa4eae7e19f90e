"""Side limits of an allocation: what a planner may say beside the tier, each with its source or marked as assumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from allocation.errors import Fault, InputError
from allocation.rules.base import Code, Model, Source
from allocation.rules.load import parse, read_toml
from allocation.rules.models import Rulebook
from allocation.rules.supply import NATIONAL, PanelSet, ProductSet, Route

__all__ = [
    "Delivery",
    "Infusion",
    "Limit",
    "LimitSet",
    "LoadedLimits",
    "Lock",
    "RingFence",
    "SwitchQuota",
    "load_limits",
]

Place = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_-]*$")]
Grams = Annotated[float, Field(ge=0, le=1e9)]


class Limit(Model):
    """What every limit says of itself: where it was read, or that it is assumed."""

    source: Source | None = None
    assumption: str = ""

    @model_validator(mode="after")
    def _is_accounted_for(self) -> Self:
        if self.source is None and not self.assumption:
            raise ValueError("a source, or an assumption in words")
        return self


class Delivery(Limit):
    """Grams that may be brought into a panel from elsewhere, or out of a place, in one allocation."""

    into: Place = ""
    out_of: Place = ""
    grams: Grams

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.into) == bool(self.out_of):
            raise ValueError("either into or out_of, one of the two")
        return self


class SwitchQuota(Limit):
    """What a panel may give as another product than the recorded one; goes before the tier's share."""

    panel: Place
    grams: Grams | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.grams is None) == (self.share is None):
            raise ValueError("either grams, or a share of the grams due")
        return self


class Infusion(Limit):
    """What a panel's chairs can infuse: intravenous grams, or intravenous courses, in one allocation."""

    panel: Place
    grams: Grams | None = None
    courses: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.grams is None) == (self.courses is None):
            raise ValueError("either grams or courses, one of the two")
        return self


class RingFence(Limit):
    """Stock of a product that only one indication may have: all of it, or the first grams, at one place or anywhere.

    Grams without a location are split over the places that hold the product, in proportion to what each holds.
    """

    product: Code
    indication: Code
    situation: Code | None = None
    location: Place | None = None
    grams: Grams | None = None


class Lock(Limit):
    """Patients who take no other product than the one on record: those for whom all that is named here holds."""

    indication: Code | None = None
    situation: Code | None = None
    product: Code | None = None
    route: Route | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.indication is None and self.product is None and self.route is None:
            raise ValueError("an indication, a product or a route that says whose product is locked")
        return self


class LimitSet(Model):
    """All side limits of an allocation."""

    delivery: tuple[Delivery, ...] = ()
    switch_quota: tuple[SwitchQuota, ...] = ()
    infusion: tuple[Infusion, ...] = ()
    ring_fence: tuple[RingFence, ...] = ()
    lock: tuple[Lock, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedLimits:
    """The limits of a file that can be used, and what is wrong with the others."""

    limits: LimitSet
    faults: tuple[Fault, ...]


# Which of them a patient is inside is kept in the bits of one number.
_MOST_FENCES = 60
_KINDS: dict[str, type[Limit]] = {
    "delivery": Delivery,
    "switch_quota": SwitchQuota,
    "infusion": Infusion,
    "ring_fence": RingFence,
    "lock": Lock,
}


def load_limits(path: Path, *, products: ProductSet, panels: PanelSet, rulebook: Rulebook) -> LoadedLimits:
    """Read a file of limits. A limit that cannot be used is set aside with its faults; the others hold.

    Raises
    ------
    InputError
        Where the file cannot be read, or holds anything but tables of limits.
    """
    data = read_toml(path)
    unknown = [key for key in data if key not in _KINDS]
    wrong = [key for key in data if key in _KINDS and not _is_tables(data[key])]
    if unknown or wrong:
        expected = f"only tables of {', '.join(f'[[{kind}]]' for kind in _KINDS)}"
        raise InputError([Fault(str(path), expected, column=key) for key in (*unknown, *wrong)])
    faults: list[Fault] = []
    kept: dict[str, list[Limit]] = {kind: [] for kind in _KINDS}
    known = _Known(products, panels, rulebook)
    seen: set[tuple[str, ...]] = set()
    for kind, number, entry in _entries(data):
        name = f"{kind}[{number}]"
        try:
            limit = parse(_KINDS[kind], entry, str(path))
        except InputError as error:
            faults += [_named(fault, name) for fault in error.faults]
            continue
        said = known.faults(limit, str(path), name)
        key = _subject(kind, limit)
        if key in seen:
            remedy = "Which of the two holds cannot be told; the first is kept."
            said.append(
                Fault(
                    str(path),
                    "one such limit",
                    column=name,
                    value=" ".join(part for part in key[1:] if part),
                    remedy=remedy,
                )
            )
        if said:
            faults += said
        else:
            seen.add(key)
            kept[kind].append(limit)
    if len(kept["ring_fence"]) > _MOST_FENCES:
        raise InputError(Fault(str(path), f"at most {_MOST_FENCES} ring-fences", column="ring_fence"))
    return LoadedLimits(LimitSet.model_validate(kept), tuple(faults))


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _entries(data: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for kind in _KINDS:
        for number, entry in enumerate(data.get(kind, []), start=1):
            yield kind, number, entry


def _named(fault: Fault, name: str) -> Fault:
    return Fault(
        fault.source,
        fault.expected.removeprefix("Value error, "),
        column=f"{name}.{fault.column}" if fault.column else name,
        value=fault.value,
        remedy=fault.remedy or "The limit is left out.",
    )


def _subject(kind: str, limit: Limit) -> tuple[str, ...]:
    """What a limit is about: two about the same would contradict each other."""
    amounts = {"source", "assumption", "grams", "share", "courses"}
    about = limit.model_dump(exclude=amounts)
    if isinstance(limit, Infusion):
        about["in"] = "courses" if limit.grams is None else "grams"
    return (kind, *(str(value or "") for value in about.values()))


class _Known:
    """Codes that a limit may name."""

    def __init__(self, products: ProductSet, panels: PanelSet, rulebook: Rulebook) -> None:
        self.panels = frozenset(panels.by_code)
        self.products = frozenset(products.by_code)
        self.rows = frozenset((entry.indication, entry.situation or "") for entry in rulebook.entry)
        self.indications = frozenset(indication for indication, _ in self.rows) | {"unlisted"}

    def faults(self, limit: Limit, source: str, name: str) -> list[Fault]:
        """Codes that nothing is known of."""
        places = {
            "into": self.panels,
            "out_of": self.panels | {NATIONAL},
            "location": self.panels | {NATIONAL},
            "panel": self.panels,
            "product": self.products,
            "indication": self.indications,
        }
        found = []
        for key, known in places.items():
            value = getattr(limit, key, None)
            if value and value not in known:
                found.append(_unknown(source, f"{name}.{key}", value))
        situation, indication = getattr(limit, "situation", None), getattr(limit, "indication", None)
        if situation and indication in self.indications and (indication, situation) not in self.rows:
            found.append(_unknown(source, f"{name}.situation", situation))
        return found


def _unknown(source: str, column: str, value: str) -> Fault:
    return Fault(source, "a known code", column=column, value=value, remedy="The limit is left out.")
