"""What happened, week by week, in whole milligrams."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from allocation.errors import VerificationError
from allocation.quantities import to_g

__all__ = ["GRADES", "MEASURES", "Event", "Recorder", "Weeks"]

Ints = npt.NDArray[np.int64]

MEASURES = ("due", "issued", "deferred", "unmet", "expired", "moved", "switched")
"""Columns of grams in ``weeks.parquet``, without their unit."""

GRADES = 5
"""Grades 0 (ungraded) to 4."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log of a replication; amounts in grams, 0 where none belongs to it."""

    day: float
    kind: str
    place: str = ""
    product: str = ""
    amount_g: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Weeks:
    """The cells of a recorder in which anything happened: codes, and milligrams of shape (cells, measures).

    ``panel`` counts one beyond the panels for national stock, ``product`` one beyond the products for none.
    """

    week: npt.NDArray[np.int32]
    panel: npt.NDArray[np.int16]
    grade: npt.NDArray[np.int8]
    product: npt.NDArray[np.int16]
    mg: Ints


@dataclass(slots=True)
class Recorder:
    """Milligrams by week, panel, grade, product and measure.

    Parameters
    ----------
    weeks, panels, products
        How many there are. National stock follows the panels; no product follows the products, so that the
        index -1 of a patient without one finds its place by itself.
    """

    weeks: int
    panels: int
    products: int
    cube: Ints = field(init=False)
    events: list[Event] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        shape = (self.weeks, self.panels + 1, GRADES, self.products + 1, len(MEASURES))
        self.cube = np.zeros(shape, dtype=np.int64)

    def add(
        self,
        measure: str,
        *,
        week: int,
        panel: Ints | int,
        grade: Ints | int,
        product: Ints | int,
        mg: Ints | int,
    ) -> None:
        """Count milligrams; arrays of one length or single values."""
        # One flat index is counted several times as fast as one of each axis.
        kinds = self.products + 1
        cell = ((week * (self.panels + 1) + np.asarray(panel)) * GRADES + np.asarray(grade)) * kinds
        flat: Ints = (cell + np.asarray(product) % kinds) * len(MEASURES) + MEASURES.index(measure)
        np.add.at(self.cube.reshape(-1), flat, mg)

    def total_mg(self, measure: str, *, by_grade: bool = False) -> Ints:
        """Milligrams over the whole run, in one number or by grade 0 to 4."""
        part = self.cube[..., MEASURES.index(measure)]
        total: Ints = part.sum(axis=(0, 1, 3)) if by_grade else part.sum()
        return total

    def check(self) -> None:
        """Prove week by week, for each panel and grade: due - issued - unmet so far = owed at the end of the week.

        Raises
        ------
        VerificationError
            Where it does not hold.
        """
        due, issued, unmet, owed = (
            self.cube[..., MEASURES.index(name)].sum(axis=3) for name in ("due", "issued", "unmet", "deferred")
        )
        if not np.array_equal(np.cumsum(due - issued - unmet, axis=0), owed):
            raise VerificationError("grams due, issued, unmet and deferred do not add up")

    def cells(self) -> Weeks:
        """The cells in which anything happened, in the order of week, panel, grade, product."""
        week, panel, grade, product = np.nonzero(self.cube.any(axis=-1))
        return Weeks(
            week=week.astype(np.int32),
            panel=panel.astype(np.int16),
            grade=grade.astype(np.int8),
            product=product.astype(np.int16),
            mg=self.cube[week, panel, grade, product],
        )

    def log(self, day: float, kind: str, *, place: str = "", product: str = "", mg: int = 0, text: str = "") -> None:
        """Add a line to the log."""
        self.events.append(Event(day, kind, place, product, to_g(mg), text))
