"""Names of what happens in a scenario, from which its random streams are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["Name", "named"]

Name = tuple[str | int, ...]

_AIMS = ("maker", "makers", "products", "indications", "like", "grades")
"""Keys that say what something is aimed at, whatever its time and size."""


class _Kind(Protocol):
    @property
    def kind(self) -> str:
        """What kind of disruption or mitigation it is."""


One = TypeVar("One", bound=_Kind)


def named(ones: Iterable[One]) -> list[tuple[Name, One]]:
    """Each with its name: kind, what it is aimed at, and a number among those alike, in their order.

    Neither its place among all others nor its time or size is in the name, so another entry of the scenario, or a
    larger shock, leaves the luck of this one as it was.
    """
    alike: Counter[Name] = Counter()
    found = []
    for one in ones:
        name: Name = (one.kind, *(aim for key in _AIMS for aim in _aims(key, getattr(one, key, ()))))
        found.append(((*name, alike[name]), one))
        alike[name] += 1
    return found


def _aims(key: str, value: object) -> list[str]:
    values = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple | list) else ()
    return [f"{key} {each}" for each in sorted(map(str, values))]
