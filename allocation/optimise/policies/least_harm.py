"""Grams go where withholding them is expected to do most harm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from allocation.optimise.policies.base import Case, Policy, Round, in_order
from allocation.optimise.policies.figures import harm_figures

__all__ = ["LeastHarm", "harm_per_kg"]


def harm_per_kg(case: Case) -> npt.NDArray[np.float64]:
    """Setbacks expected for each kilogram withheld, of every row of a case, shape (rows,)."""
    figures = harm_figures()
    columns = (case.claims[name].tolist() for name in ("indication", "situation", "grade", "emergency"))
    return np.array([figures.per_kg(*key) for key in zip(*columns, strict=True)], dtype=np.float64)


class LeastHarm(Policy):
    """Least expected harm.

    Harm grows with every gram withheld alike, so where grams may go to anybody serving the largest harm first does
    least in all. Where products tie them, each round is still served as fully as it can be.
    """

    name = "least_harm"
    title = "Least expected harm"
    rule = "grams go first where withholding them is expected to do most harm, and then to who has waited longest"
    uses_estate = False

    def rounds(self, case: Case) -> Sequence[Round]:
        """A round for each rate of harm, the highest first."""
        harm = harm_per_kg(case)
        return in_order(case, -harm, lambda row: f"{harm[row]:g} setbacks expected a kilogram withheld")

    def assumptions(self) -> tuple[str, ...]:
        """Where each rate comes from."""
        return harm_figures().assumptions()
