"""Which class of a cell is given how much, so that the levers are used as the tier's order says.

The grams of each cell, and so what it goes short, are settled before. What is open is which of its classes goes short:
one whose patients can be late within the limit, one that can be reduced, or one that can only be put off. That hangs on
which products lie where, so it is decided in the program that gives each class its products.

Each class is given its grams through segments (:meth:`allocation.optimise.levers.ClassLevers.segments`), side by
side like arcs of different cost. For each stage, the lever to be spared most is used least, then the next; each use is
fixed before the next. Amounts through segments are a flow again, and what is fixed is an optimum, so what is left is a
face of the same polytope: its corners are whole milligrams as before.

Not asked here, since nothing is open: cells served in full or not at all, and cells of one class (all of them where a
stage is fair between classes). There grams first and the mix afterwards is the one program: every term of the levers'
use is a function of grams that are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

import numpy as np
import pandas as pd

from allocation.optimise.levers import ClassLevers, Mix
from allocation.optimise.linear import LinearProgram
from allocation.optimise.network import Floats, Ints, Network
from allocation.quantities import MG_PER_G

__all__ = ["LEVER_COLUMNS", "LeverColumns", "SplitColumns", "lever_values", "mix_table"]

LEVER_COLUMNS = ("class_id", "stage", "panel", "due_mg", "given_mg", *(field.name for field in fields(Mix)))
"""Columns of the table of the mix, one row a class that is due anything and has a stage."""

_WORDS = {"defer": "put off beyond the limits", "reduce": "taken off courses", "stretch": "late within the limit"}

Feed = tuple[Ints, Ints]
"""Classes and, for each, a column that is given to it."""


class LeverColumns:
    """Columns for the segments of classes, and what they cost.

    Parameters
    ----------
    program
        Rows and columns are added to it.
    levers
        Of all classes of the network.
    stage
        Of all classes of the network.
    feeds
        What is given to classes, in grams. Each class named has segments.

    Attributes
    ----------
    nodes
        How many nodes the segments add to the network.
    """

    def __init__(self, program: LinearProgram, levers: ClassLevers, stage: Ints, feeds: Sequence[Feed]) -> None:
        self.spared = levers.spared
        fed: dict[int, list[int]] = {}
        for classes, columns in feeds:
            for c, column in zip(classes.tolist(), columns.tolist(), strict=True):
                fed.setdefault(c, []).append(column)
        self.nodes = len(fed)
        self._costs: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for c in sorted(fed):
            segments = levers.segments(c)
            columns = program.add_columns([one.mg / MG_PER_G for one in segments]).tolist()
            values = [1.0] * len(fed[c]) + [-1.0] * len(columns)
            program.add_row([*fed[c], *columns], values, low=0.0, high=0.0)
            for column, one in zip(columns, segments, strict=True):
                for lever, cost in one.cost.items():
                    key = (int(stage[c]), self.spared.index(lever))
                    self._costs.setdefault(key, []).append((column, cost))

    def objectives(self, size: int) -> list[Floats]:
        """Costs of all columns for each use of a lever, in the order in which they are made least.

        The uses of a stage add up to what it goes short, so the last of them is what the others leave.
        """
        found = []
        for stage in sorted({stage for stage, _ in self._costs}):
            uses = sorted(key for key in self._costs if key[0] == stage)
            for use in uses[:-1]:
                costs = np.zeros(size)
                for column, cost in self._costs[use]:
                    costs[column] += cost
                found.append(costs)
        return found


class SplitColumns(LeverColumns):
    """The same where columns are shared by classes: each is split into what every class gets of it.

    Parameters
    ----------
    classes
        Class of the network at each place.
    shared
        Places and, for each, the column it has a share of; a column is shared by all places that name it.
    """

    def __init__(
        self, program: LinearProgram, levers: ClassLevers, stage: Ints, classes: Ints, shared: Sequence[Feed]
    ) -> None:
        self.split = []
        for places, columns in shared:
            mine = program.add_columns(levers.due_mg[classes[places]] / MG_PER_G)
            self.split.append((places, mine))
            for column in np.unique(columns).tolist():
                parts = mine[columns == column].tolist()
                program.add_row([*parts, column], [1.0] * len(parts) + [-1.0], low=0.0, high=0.0)
        super().__init__(program, levers, stage, [(classes[places], mine) for places, mine in self.split])

    def read(self, shared: int, mg: Ints, into: Ints) -> None:
        """Write what each place has of one of ``shared`` into an array of milligrams by place."""
        places, columns = self.split[shared]
        into[places] = mg[columns]


def mix_table(net: Network, given_mg: Ints) -> pd.DataFrame | None:
    """The mix of each class under :data:`LEVER_COLUMNS`; None where the tier leaves no order of levers.

    Parameters
    ----------
    given_mg
        Planned for each class of the network, shape (classes,).
    """
    levers = net.levers
    if levers is None:
        return None
    rows = [
        (
            *(int(net.class_id[c]), int(net.stage[c]), net.problem.panels[int(net.panel[c])]),
            *(int(net.due_mg[c]), int(given_mg[c]), *astuple(levers.mix(c, int(given_mg[c])))),
        )
        for c in np.flatnonzero((net.stage >= 0) & (net.due_mg > 0)).tolist()
    ]
    frame = pd.DataFrame(rows, columns=list(LEVER_COLUMNS))
    return frame.astype({name: "int64" for name in LEVER_COLUMNS if name != "panel"})


def lever_values(net: Network, mix: pd.DataFrame) -> list[tuple[str, float]]:
    """What each stage uses of each lever, in grams, the one to be spared most first; not of stages without any."""
    used = {
        "defer": mix["deferred_mg"],
        "reduce": mix["reduced_mg"] - mix["reduced_given_mg"],
        "stretch": mix["stretched_mg"],
    }
    values = []
    for number, stage in enumerate(net.stages):
        here = mix["stage"] == number
        if any(int(use[here].sum()) for use in used.values()):
            for lever in net.problem.tier.levers_spared:
                grams = float(used[lever][here].sum()) / MG_PER_G
                values.append((f"{stage.name}: {_WORDS[lever]}, g", grams))
    return values
