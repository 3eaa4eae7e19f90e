"""What the look-ahead says week by week, who of the first weeks is to wait, and which vials are kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.optimise.horizon.groups import fences_in
from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.horizon.program import PoolWeeks, solve_pool
from allocation.optimise.linear import OpenSession
from allocation.optimise.network import Ints, Network, Pool, index_problem
from allocation.optimise.plan import StageValue
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL

__all__ = ["HorizonPlan", "look_ahead"]


@dataclass(frozen=True, slots=True, eq=False)
class HorizonPlan:
    """Stock and service of each week in whole milligrams.

    Attributes
    ----------
    served
        ``class_id`` of one class of the group, ``group``, ``pool``, ``panel``, ``grade``, ``stage``, ``due_week``,
        ``week``, ``mg``.
    uses
        ``pool``, ``location``, ``product``, ``from_week``, ``until_week``, ``fence`` (-1 for open stock), ``week``,
        ``group``, ``mg``.
    groups
        One row a group: ``group``, ``pool``, ``panel``, ``grade``, ``stage``, ``cell``, ``wait_weeks``.
    members
        ``class_id`` and ``group``.
    due
        ``group``, ``due_week``, ``mg``.
    held
        ``pool``, ``week``, ``mg`` of the reserve.
    weeks
        The table for people: ``week``, ``panel``, ``grade``, ``due_g``, ``planned_g``, ``stock_g``, ``expiring_g``.
        Stock is that in the panel's reach at the beginning of the week; expiring is what of it goes off unused at the
        end.
    stages
        What each stage of each pool came to: ``pool``, ``stage``, ``due_mg``, ``served_mg``, ``least_fill``; as
        objectives of a program, not as whole milligrams.
    limited
        Pools in which some limit holds.
    programs
        Linear programs solved.
    """

    served: pd.DataFrame
    uses: pd.DataFrame
    groups: pd.DataFrame
    members: pd.DataFrame
    due: pd.DataFrame
    held: pd.DataFrame
    weeks: pd.DataFrame
    stages: pd.DataFrame
    limited: frozenset[str]
    programs: int

    def objectives(self, stages: Sequence[str]) -> tuple[StageValue, ...]:
        """What each stage came to over all weeks: what it lacks, its least share, and how long it waits."""
        late = self.served["mg"] * (self.served["week"] - self.served["due_week"])
        values = []
        for number, name in enumerate(stages):
            mine = self.stages[self.stages["stage"] == number]
            unmet = float((mine["due_mg"] - mine["served_mg"]).sum())
            least = float(mine["least_fill"].min()) if len(mine) else 1.0
            waits = float(late[self.served["stage"] == number].sum())
            values.append(StageValue(f"{name}: unmet in all weeks, g", round(unmet / MG_PER_G, 3)))
            values.append(StageValue(f"{name}: least share served in all weeks", least))
            values.append(StageValue(f"{name}: waiting, g x weeks", waits / MG_PER_G))
        return tuple(values)


def look_ahead(horizon: HorizonProblem, open_session: OpenSession) -> HorizonPlan:
    """Solve the weeks of every pool.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.
    """
    net = index_problem(horizon.total)
    parts = [(pool, solve_pool(horizon, net, pool, open_session)) for pool in net.pools if len(pool.classes)]
    tables = _Tables(horizon, net)
    for pool, part in parts:
        tables.add(pool, part)
    return tables.plan(sum(part.programs for _, part in parts))


@dataclass(slots=True)
class _Lot:
    """Milligrams still there of a batch at a place."""

    place: int
    location: str
    mg: int


class _Tables:
    """Rows of the plan's tables, gathered pool by pool."""

    def __init__(self, horizon: HorizonProblem, net: Network) -> None:
        self.horizon, self.net = horizon, net
        self.rows: dict[str, list[tuple[object, ...]]] = {
            name: [] for name in ("served", "uses", "groups", "members", "due", "held", "weeks", "stages")
        }

    def add(self, pool: Pool, part: PoolWeeks) -> None:
        net, rows = self.net, self.rows
        group_of = part.groups.group_of.tolist()
        first = {int(g): c for c, g in zip(pool.classes[::-1].tolist(), group_of[::-1], strict=True)}
        base = len(rows["groups"])
        place = {class_id: row for row, class_id in enumerate(self.horizon.total.classes["class_id"].tolist())}
        about: dict[int, tuple[object, ...]] = {}
        for group, c in sorted(first.items()):
            grade, stage = int(net.grade[c]), int(net.stage[c])
            panel = net.problem.panels[int(net.panel[c])]
            about[group] = (base + group, pool.name, panel, grade, stage)
            wait = self.horizon.wait_weeks[grade]
            rows["groups"].append((*about[group], int(net.cell[c]), wait))
        due: dict[tuple[int, int], int] = {}
        for c, group in zip(pool.classes.tolist(), group_of, strict=True):
            rows["members"].append((int(net.class_id[c]), base + group))
            for week, mg in enumerate(self.horizon.due_mg[place[int(net.class_id[c])]].tolist()):
                due[group, week] = due.get((group, week), 0) + mg
        rows["due"] += [(base + group, week, mg) for (group, week), mg in sorted(due.items()) if mg]
        rows["served"] += [(*about[g], d, w, mg) for (g, d, w), mg in sorted(part.served.items())]
        rows["uses"] += self._located(pool, part, base)
        rows["held"] += [(pool.name, week, int(mg)) for week, mg in enumerate(part.held_mg.tolist())]
        rows["stages"] += [
            (pool.name, number, result.due_mg, result.served_mg, result.least_fill)
            for number, result in enumerate(part.stages)
        ]
        self._weeks(pool, part, first, due)

    def _located(self, pool: Pool, part: PoolWeeks, base: int) -> list[tuple[object, ...]]:
        """Uses by place: each batch of a spot is used up place after place, week after week."""
        places = (*self.net.problem.panels, NATIONAL)
        here = {places[at]: at for at in pool.locations.tolist()}
        left: dict[tuple[object, ...], list[_Lot]] = {}
        for at, code, first, last, fence, mg in self.horizon.stock.itertuples(index=False, name=None):
            if at in here:
                spot = int(part.groups.spot_of[here[at]])
                left.setdefault((code, fence, first, last, spot), []).append(_Lot(here[at], at, int(mg)))
        lines: list[tuple[object, ...]] = []
        order = sorted(part.uses, key=lambda use: (use.week, use.product, use.from_week, use.until_week, use.fence))
        for use in order:
            code, missing = self.net.product_codes[use.product], use.mg
            key = (code, use.fence, use.from_week, use.until_week, use.spot)
            for lot in sorted(left[key], key=lambda lot: lot.place):
                taken = min(missing, lot.mg)
                if taken:
                    line = (pool.name, lot.location, *(code, use.from_week, use.until_week, use.fence, use.week))
                    lines.append((*line, base + use.group, taken))
                    lot.mg -= taken
                    missing -= taken
        return lines

    def _weeks(self, pool: Pool, part: PoolWeeks, first: dict[int, int], due: dict[tuple[int, int], int]) -> None:
        net, weeks = self.net, self.horizon.weeks
        stock_mg, expiring_mg = self._balance(pool, part)
        table: dict[tuple[int, int, int], list[int]] = {}
        for (group, week), mg in due.items():
            c = first[group]
            table.setdefault((week, int(net.panel[c]), int(net.grade[c])), [0, 0])[0] += mg
        for (group, _, week), mg in part.served.items():
            c = first[group]
            table.setdefault((week, int(net.panel[c]), int(net.grade[c])), [0, 0])[1] += mg
        for (week, panel, grade), (wanted, planned) in table.items():
            code = net.problem.panels[panel]
            if week < weeks:
                self.rows["weeks"].append(
                    (week, code, grade, wanted, planned, int(stock_mg[week]), int(expiring_mg[week]))
                )

    def _balance(self, pool: Pool, part: PoolWeeks) -> tuple[Ints, Ints]:
        """Stock of a pool at the beginning of each week, and what of it goes off at the end, shape (weeks,)."""
        weeks = self.horizon.weeks
        places = (*self.net.problem.panels, NATIONAL)
        here = {places[at] for at in pool.locations.tolist()}
        stock = np.zeros(weeks, dtype=np.int64)
        expiring = np.zeros(weeks, dtype=np.int64)
        code_of = self.net.product_codes
        used: dict[tuple[object, ...], Ints] = {}
        for use in part.uses:
            batch = (code_of[use.product], use.from_week, use.until_week)
            used.setdefault(batch, np.zeros(weeks, dtype=np.int64))[use.week] += use.mg
        batches: dict[tuple[str, int, int], int] = {}
        for at, code, first, last, _, mg in self.horizon.stock.itertuples(index=False, name=None):
            if at in here:
                batches[code, first, last] = batches.get((code, first, last), 0) + int(mg)
        for batch, mg in batches.items():
            spent = used.get(batch, np.zeros(weeks, dtype=np.int64))
            before = np.cumsum(spent) - spent
            stock[batch[1] : batch[2] + 1] += (mg - before)[batch[1] : batch[2] + 1]
            if batch[2] < weeks - 1:
                expiring[batch[2]] += mg - int(spent.sum())
        return stock, expiring

    def _limited(self, pool: Pool) -> bool:
        return self.horizon.limits.concern(pool) or len(fences_in(self.net, pool)) > 0

    def plan(self, programs: int) -> HorizonPlan:
        about = ["group", "pool", "panel", "grade", "stage"]
        weeks = pd.DataFrame(
            self.rows["weeks"], columns=["week", "panel", "grade", "due_g", "planned_g", "stock_g", "expiring_g"]
        ).sort_values(["week", "panel", "grade"], ascending=[True, True, False], ignore_index=True)
        grams = ["due_g", "planned_g", "stock_g", "expiring_g"]
        weeks[grams] = weeks[grams].astype(np.float64) / MG_PER_G
        batch = ["pool", "location", "product", "from_week", "until_week", "fence", "week", "group", "mg"]
        numbers = {*("group", "grade", "stage", "cell", "wait_weeks", "class_id"), *("due_week", "week", "mg")}
        numbers |= {"from_week", "until_week", "fence"}

        def table(name: str, columns: list[str]) -> pd.DataFrame:
            frame = pd.DataFrame(self.rows[name], columns=columns)
            # Empty tables would otherwise hold objects.
            return frame.astype({column: np.int64 for column in columns if column in numbers})

        return HorizonPlan(
            served=table("served", [*about, "due_week", "week", "mg"]),
            uses=table("uses", batch),
            groups=table("groups", [*about, "cell", "wait_weeks"]),
            members=table("members", ["class_id", "group"]),
            due=table("due", ["group", "due_week", "mg"]),
            held=table("held", ["pool", "week", "mg"]),
            weeks=weeks,
            stages=table("stages", ["pool", "stage", "due_mg", "served_mg", "least_fill"]).astype(
                {"due_mg": np.float64, "served_mg": np.float64, "least_fill": np.float64}
            ),
            limited=frozenset(pool.name for pool in self.net.pools if self._limited(pool)),
            programs=programs,
        )
