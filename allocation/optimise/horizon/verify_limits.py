"""Limits of a look-ahead from first principles, and single exchanges that a plan leaves open within them.

What is best is asked of single exchanges: stock that lies unused, or that a later stage has, is held against what an
earlier stage still lacks and could have in some week, all limits kept. Chains of several exchanges are not tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.verify_rules import DemandClass, Rules

__all__ = ["SPARE_MG", "Batch", "Key", "Weeks", "limits_broken", "order_broken"]

SPARE_MG = 1000
"""Grams of a week's lines are rounded down one by one; less than this is nobody's."""
_SPARE_COURSES = 0.05
# Each line may be rounded up by less than a milligram where it is near to a whole one.
_ROUNDING_MG = 10
_ROUNDING_COURSES = 1e-3

Key = tuple[str, str, int]
"""Kind of limit, panel or place, block of weeks."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Stock that is there for the same weeks at one place."""

    location: str
    product: str
    from_week: int
    until_week: int
    fence: int


@dataclass(frozen=True, slots=True)
class _Group:
    """A group as the verifier sees it: what all of its classes may do, and what any of them would use."""

    panel: str
    pool: str
    stage: int
    wait_weeks: int
    allowed: frozenset[str]
    inside: frozenset[int]
    members: tuple[DemandClass, ...]


class Weeks:
    """What holds in the weeks of a look-ahead, worked out from its data."""

    def __init__(self, horizon: HorizonProblem, plan: HorizonPlan) -> None:
        self.horizon, self.rules = horizon, Rules(horizon.total)
        members: dict[int, list[DemandClass]] = defaultdict(list)
        for class_id, group in plan.members[["class_id", "group"]].itertuples(index=False, name=None):
            members[group].append(self.rules.classes[class_id])
        self.groups = {group: self._group(tuple(classes)) for group, classes in members.items()}
        self.limit = self._limits()

    def _group(self, classes: tuple[DemandClass, ...]) -> _Group:
        panel = classes[0].panel
        return _Group(
            panel=panel,
            pool=self.rules.pool_of(panel),
            stage=classes[0].stage,
            wait_weeks=min(self.horizon.wait_weeks[c.grade] for c in classes),
            allowed=frozenset.intersection(*(c.allowed for c in classes)),
            inside=frozenset.intersection(*(c.inside for c in classes)),
            members=classes,
        )

    def _limits(self) -> dict[Key, float]:
        """Every limit of every block of weeks: a block that is shorter has its part."""
        horizon, limits, found = self.horizon, self.horizon.total.limits, {}
        due: dict[tuple[str, int], int] = defaultdict(int)
        for row, panel in enumerate(horizon.total.classes["panel"].tolist()):
            for week, mg in enumerate(horizon.due_mg[row].tolist()):
                due[panel, week // horizon.first] += mg
        blocks = range(-(-horizon.weeks // horizon.first))
        share = {} if self.rules.tier.switch_capacity is None else dict.fromkeys(
            horizon.total.panels, self.rules.tier.switch_capacity
        )  # fmt: skip
        kinds: dict[str, Mapping[str, int]] = {}
        if limits is not None:
            share |= limits.switch_share
            kinds = {
                "into": limits.into_mg,
                "out": limits.out_of_mg,
                "vein": limits.infused_mg,
                "chairs": limits.infused_courses,
                "switch": limits.switch_mg,
            }
        for block in blocks:
            length = min(horizon.first, horizon.weeks - block * horizon.first)
            for panel, part in share.items():
                found["switch", panel, block] = due[panel, block] * part
            for kind, of in kinds.items():
                for place, amount in of.items():
                    found[kind, place, block] = amount * length / horizon.first
        return found

    def touches(self, group: _Group, product: str, place: str, week: int) -> dict[Key, float]:
        """Limits that each milligram for a group in a week uses."""
        panel, block = group.panel, week // self.horizon.first
        found: dict[Key, float] = {}
        if place != panel:
            found["into", panel, block] = found["out", place, block] = 1
        infused = [c for c in group.members if self.rules.infuses(c, product)]
        if infused:
            found["vein", panel, block] = 1
            found["chairs", panel, block] = max(c.courses / c.due_mg for c in infused)
        if any(c.own not in ("", product) for c in group.members):
            found["switch", panel, block] = 1
        return {key: each for key, each in found.items() if key in self.limit}

    def stock(self) -> list[tuple[Batch, int]]:
        """Each batch and its milligrams."""
        names = ["location", "product", "from_week", "until_week", "fence", "mg"]
        return [(Batch(*line[:5]), line[5]) for line in self.horizon.stock[names].itertuples(index=False, name=None)]

    @staticmethod
    def uses(plan: HorizonPlan) -> list[tuple[Batch, int, int, int]]:
        """Batch, week, group and milligrams of each line."""
        names = ["location", "product", "from_week", "until_week", "fence", "week", "group", "mg"]
        return [(Batch(*line[:5]), *line[5:]) for line in plan.uses[names].itertuples(index=False, name=None)]

    def may_have(self, group: _Group, batch: Batch) -> bool:
        """Whether a group may be given a batch in any week at all."""
        fits = batch.product in group.allowed and self.rules.in_reach(batch.location, group.panel)
        return fits and (batch.fence < 0 or batch.fence in group.inside)


def _spent(weeks: Weeks, plan: HorizonPlan) -> dict[Key, float]:
    spent: dict[Key, float] = defaultdict(float)
    for batch, week, group, mg in weeks.uses(plan):
        for key, each in weeks.touches(weeks.groups[group], batch.product, batch.location, week).items():
            spent[key] += each * mg
    return spent


def limits_broken(weeks: Weeks, plan: HorizonPlan, kinds: tuple[str, ...]) -> list[str]:
    """Limits of some kinds of which more is used than there is, in words."""
    words = {"into": "into", "out": "out of", "vein": "infused at", "chairs": "courses at", "switch": "switched at"}
    return [
        f"{words[key[0]]} {key[1]} in the weeks from {key[2] * weeks.horizon.first}"
        for key, mg in _spent(weeks, plan).items()
        if key[0] in kinds and mg > weeks.limit[key] + (_ROUNDING_COURSES if key[0] == "chairs" else _ROUNDING_MG)
    ]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a stage that an earlier one might have; what differs in nothing else is one."""

    batch: Batch
    stage: int
    week: int
    uses: frozenset[tuple[Key, float]]


def order_broken(weeks: Weeks, plan: HorizonPlan) -> list[str]:
    """Stages that lack what lies unused, or what a later stage has, in a week in which they could have it."""
    left: dict[Batch, int] = defaultdict(int)
    for batch, mg in weeks.stock():
        left[batch] += mg
    lines: dict[str, set[_Line]] = defaultdict(set)
    slack = dict(weeks.limit)
    for batch, week, group, mg in weeks.uses(plan):
        about = weeks.groups[group]
        uses = weeks.touches(about, batch.product, batch.location, week)
        left[batch] -= mg
        for key, each in uses.items():
            slack[key] -= each * mg
        if mg > SPARE_MG:
            lines[batch.product].add(_Line(batch, about.stage, week, frozenset(uses.items())))
    for key in slack:
        slack[key] -= _SPARE_COURSES if key[0] == "chairs" else SPARE_MG
    search = _Search(weeks, slack, {batch: mg for batch, mg in left.items() if mg > SPARE_MG}, lines)
    served: dict[tuple[int, int], int] = defaultdict(int)
    for group, due_week, mg in plan.served[["group", "due_week", "mg"]].itertuples(index=False, name=None):
        served[group, due_week] += mg
    broken = set()
    for group, due_week, mg in plan.due.itertuples(index=False, name=None):
        about = weeks.groups[group]
        if mg - served[group, due_week] > SPARE_MG and search.more_for(about, due_week):
            broken.add(f"{weeks.rules.tier.stage[about.stage].name} in {about.pool}")
    return sorted(broken)


class _Search:
    """Single exchanges for those who lack something."""

    def __init__(
        self, weeks: Weeks, slack: Mapping[Key, float], left: Mapping[Batch, int], lines: Mapping[str, set[_Line]]
    ) -> None:
        self.weeks, self.slack, self.left, self.lines = weeks, slack, left, lines
        self.found: dict[tuple[object, ...], bool] = {}

    def more_for(self, group: _Group, due_week: int) -> bool:
        """Whether a group could have more of what it is due in a week. Those alike are asked once."""
        rates = tuple(sorted({c.courses / c.due_mg for c in group.members}))
        owns = tuple(sorted({c.own for c in group.members}))
        routes = tuple(sorted({c.route for c in group.members}))
        key: tuple[object, ...] = (group.pool, group.stage, group.wait_weeks, group.allowed, group.inside, due_week)
        # Without limits panels that share stock are alike, and so are patients who may take the same products.
        if self.weeks.limit:
            key = (*key, group.panel, rates, owns, routes)
        if key not in self.found:
            last = min(due_week + group.wait_weeks, self.weeks.horizon.weeks - 1)
            self.found[key] = self._from_shelf(group, due_week, last) or self._from_later(group, due_week, last)
        return self.found[key]

    def _held(self, group: _Group, batch: Batch) -> bool:
        """Whether stock could be the reserve's, which comes after the first stage and before the others."""
        kept = self.weeks.rules.reserve[group.pool] > 0 and "IV" in self.weeks.rules.routes[batch.product]
        return group.stage > 0 and kept and batch.fence < 0

    def _from_shelf(self, group: _Group, first: int, last: int) -> bool:
        for batch in self.left:
            if not self.weeks.may_have(group, batch) or self._held(group, batch):
                continue
            for week in range(max(first, batch.from_week), min(last, batch.until_week) + 1):
                if self._room(self.weeks.touches(group, batch.product, batch.location, week), {}):
                    return True
        return False

    def _from_later(self, group: _Group, first: int, last: int) -> bool:
        for product in group.allowed:
            for line in self.lines.get(product, ()):
                batch = line.batch
                if line.stage <= group.stage or not self.weeks.may_have(group, batch):
                    continue
                # Used sooner, it would not be there for the reserve in the meantime.
                begin = max(first, batch.from_week, line.week if self._held(group, batch) else 0)
                for week in range(begin, min(last, batch.until_week) + 1):
                    touched = self.weeks.touches(group, product, batch.location, week)
                    if self._room(touched, dict(line.uses)):
                        return True
        return False

    def _room(self, more: Mapping[Key, float], less: Mapping[Key, float]) -> bool:
        return all(each <= less.get(key, 0) or self.slack[key] > 0 for key, each in more.items())
