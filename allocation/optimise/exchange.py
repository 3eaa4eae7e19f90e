"""The small integer program: how much one patient could be given, were others given other vials or another product.

Everybody else keeps the grams they have. Patients alike, of the same grams, are counted and not told apart. Variables
and rows are those of "Dealing vials anew" in `allocation/docs/methods.md`. First the most for the patient who asks is
found, then the fewest grams of another product than the own one and, of these, the fewest patients changed. Where only
one may be changed, the first of those as good is, so that it does not depend on the solver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd

from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row
from allocation.optimise.network import NONE
from allocation.optimise.packing import most_made
from allocation.optimise.shelf import Vials

__all__ = ["Exchange", "Found", "Group", "most_by_exchange"]

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Group:
    """Patients served, alike and of the same grams.

    Attributes
    ----------
    own
        Product on record; ``NONE`` for none.
    products
        Products they may be given.
    now
        Patients by the product they have.
    """

    panel: int
    own: int
    products: tuple[int, ...]
    mg: int
    now: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is asked.

    Attributes
    ----------
    panel, own, products
        Of the patient who asks, as for a group.
    least_mg, due_mg
        The least that would be of use, and the most that may be given.
    groups
        Those who keep their grams.
    vials
        By product all that may be dealt anew: what is left, what the groups have and what the patient has.
    switch_mg
        What the groups of a panel and the patient may together have of other products than their own; a panel that is
        not named has no limit.
    most_changed
        How many of the groups may be given another product; None for any number.
    """

    panel: int
    own: int
    products: tuple[int, ...]
    least_mg: int
    due_mg: int
    groups: tuple[Group, ...]
    vials: Mapping[int, Vials]
    switch_mg: Mapping[int, int]
    most_changed: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The most that can be given: ``mg`` of ``product``, while of each group so many have each product."""

    mg: int
    product: int
    after: tuple[Mapping[int, int], ...]


def most_by_exchange(asked: Exchange, opener: OpenSession) -> Found | None:
    """The most that the patient can be given; None where that is nothing of use.

    Vials of the others are counted by product and not by course, so what is found must still be packed.

    Raises
    ------
    SolverError
        Where no optimum was proven.
    """
    columns = _Columns(asked)
    if not columns.given:
        return None
    session = opener(columns.program)
    at, worth = columns.worth()
    best = session.minimise(at, [-units for units in worth])
    level = -round(best.objective)
    if not level:
        return None
    session.add_rows([Row(at, worth, float(level), float(level))])
    at, costs = columns.changes()
    found = session.minimise(at, costs)
    if asked.most_changed is not None:
        # Who may be helped next depends on whom this deal changes: of several as good, the first.
        least = float(round(found.objective))
        session.add_rows([Row(at, costs, -INFINITY, least)])
        found = session.minimise(*columns.places())
    x = found.x
    (product,) = (product for product, column in columns.given.items() if x[column] > _HALF)
    after = tuple(
        {product: count for product, column in of.items() if (count := round(float(x[column])))}
        for of in columns.having
    )
    return Found(level * columns.unit_mg, product, after)


@dataclass(slots=True)
class _Columns:
    """The program and what its columns stand for.

    Attributes
    ----------
    given, vials
        z by product; a by product and size.
    having
        y by product, one a group.
    changed
        m.
    """

    asked: Exchange
    program: LinearProgram = field(default_factory=LinearProgram)
    unit_mg: int = 1
    given: dict[int, int] = field(default_factory=dict)
    vials: dict[tuple[int, int], int] = field(default_factory=dict)
    having: list[dict[int, int]] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        asked = self.asked
        sizes = {product: tuple(sorted(vials)) for product, vials in asked.vials.items() if vials}
        self.unit_mg = gcd(*(size for of in sizes.values() for size in of), *(group.mg for group in asked.groups))
        for product in asked.products:
            if product in sizes and most_made(asked.due_mg, sizes[product]) >= asked.least_mg:
                self._add_patient(product, sizes[product])
        if not self.given:
            return
        self._sum(self.given.values(), low=0, high=1)
        for group in asked.groups:
            self._add_group(group, sizes)
        if asked.most_changed is not None:
            self._sum(self.changed, low=0, high=asked.most_changed)
        for product, of in sizes.items():
            self._add_product(product, of)
        for panel, most_mg in asked.switch_mg.items():
            terms = [(column, mg) for at, column, mg in self._switched() if at == panel]
            if terms:
                self._add(terms, low=-INFINITY, high=most_mg)

    def worth(self) -> tuple[list[int], list[float]]:
        """What the vials of the patient who asks come to: columns and units."""
        return list(self.vials.values()), [float(size // self.unit_mg) for _, size in self.vials]

    def changes(self) -> tuple[list[int], list[float]]:
        """Columns and costs: grams of another product first, then patients given another product than before."""
        patients = sum(sum(group.now.values()) for group in self.asked.groups)
        costs = dict.fromkeys(self.changed, 1.0)
        for _, column, mg in self._switched():
            costs[column] = float(mg // self.unit_mg * (patients + 1))
        return list(costs), list(costs.values())

    def places(self) -> tuple[list[int], list[float]]:
        """Columns and costs by which one change, and one product for the patient who asks, are told from another."""
        given = {column: float(place) for place, column in enumerate(self.given.values())}
        changed = {column: float(len(given) * place) for place, column in enumerate(self.changed)}
        costs = given | changed
        return list(costs), list(costs.values())

    def _whole_column(self, high: int) -> int:
        column = int(self.program.add_columns([float(high)])[0])
        self.program.whole.append(column)
        return column

    def _sum(self, columns: Iterable[int], *, low: int, high: int) -> None:
        at = list(columns)
        self.program.add_row(at, [1.0] * len(at), low=float(low), high=float(high))

    def _add(self, terms: Sequence[tuple[int, int]], *, low: float, high: float) -> None:
        """A row in milligrams, told in units."""
        columns, mg = zip(*terms, strict=True)
        unit = self.unit_mg
        self.program.add_row(columns, [amount / unit for amount in mg], low=low / unit, high=high / unit)

    def _add_patient(self, product: int, sizes: tuple[int, ...]) -> None:
        given, due_mg = self._whole_column(1), self.asked.due_mg
        self.given[product] = given
        for size in sizes:
            most = min(self.asked.vials[product][size], due_mg // size)
            self.vials[product, size] = self._whole_column(most)
        made = [(self.vials[product, size], size) for size in sizes]
        self._add([*made, (given, -due_mg)], low=-INFINITY, high=0.0)
        self._add([*made, (given, -self.asked.least_mg)], low=0.0, high=INFINITY)

    def _add_group(self, group: Group, sizes: Mapping[int, tuple[int, ...]]) -> None:
        patients = sum(group.now.values())
        having = {
            product: self._whole_column(patients)
            for product in group.products
            if product in sizes and most_made(group.mg, sizes[product]) == group.mg
        }
        self.having.append(having)
        self._sum(having.values(), low=patients, high=patients)
        for product, column in having.items():
            more = int(self.program.add_columns([float(patients)])[0])
            self.changed.append(more)
            low = -float(group.now.get(product, 0))
            self.program.add_row([more, column], [1.0, -1.0], low=low, high=INFINITY)

    def _add_product(self, product: int, sizes: tuple[int, ...]) -> None:
        courses = [
            (having[product], group.mg)
            for having, group in zip(self.having, self.asked.groups, strict=True)
            if product in having
        ]
        used = []
        for size in sizes:
            there = self.asked.vials[product][size]
            column = self._whole_column(there)
            used.append((column, size))
            if (product, size) in self.vials:
                self._sum([column, self.vials[product, size]], low=0, high=there)
        for place in range(len(sizes)):
            fit = [(column, -most_made(mg, sizes[place:])) for column, mg in courses]
            self._add([*used[place:], *fit], low=-INFINITY if place else 0.0, high=0.0)

    def _switched(self) -> Iterator[tuple[int, int, int]]:
        """Panel, column and milligrams of everything that is another product than somebody's own."""
        asked = self.asked
        for group, having in zip(asked.groups, self.having, strict=True):
            for product, column in having.items():
                if group.own not in (NONE, product):
                    yield group.panel, column, group.mg
        for (product, size), column in self.vials.items():
            if asked.own not in (NONE, product):
                yield asked.panel, column, size
