"""Finding policies by entry point, and refusing what a policy must not say, whoever wrote it."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from allocation.errors import InputError
from allocation.optimise.policies import (
    Policy,
    Round,
    check_policy,
    find_policy,
    list_policies,
    registry,
    settle_demand,
    unusable_policies,
)
from allocation.optimise.policies.grade_order import GradeOrder
from allocation.optimise.policies.registry import FoundPolicy


class Strange(Policy):
    """Says whatever a test wants it to say."""

    name = "strange"
    title = "Strange"
    rule = "anything"
    uses_estate = False

    def __init__(self, say, *, keeps=False):
        self.say = say
        self.keeps_tier_order = keeps

    def rounds(self, case):
        return self.say(case)


def run(small, say, *, keeps=False):
    demand = small.patients({"due_g": 20, "grade": 4}, {"due_g": 30, "grade": 2, "panel": "P2"})
    problem = small.problem(demand, small.shelf(("NATIONAL", "privigen_10", 5, 6)), 4)
    return settle_demand(FoundPolicy(Strange(say, keeps=keeps), "elsewhere", "2.0"), problem, demand)


def fails(case):
    raise ZeroDivisionError("division by zero")


def lazily(case):
    yield Round("first", case.ints("due_mg"))
    raise KeyError("panel")


def spoils(case):
    case.claims["due_mg"] = 10**9
    return [Round("all", case.ints("due_mg"))]


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (fails, "found 'ZeroDivisionError: division by zero'; expected rounds of claims"),
        (lazily, "KeyError"),
        (lambda case: None, "found 'NoneType'; expected a sequence of Round"),
        (lambda case: [case.ints("due_mg")], "expected a sequence of Round"),
        (lambda case: [Round("short", case.ints("due_mg")[:1])], "found '(1,)'; expected one claim for each of 2 rows"),
        (lambda case: [Round("half", case.ints("due_mg") / 2)], "float64"),
        (lambda case: [Round("none", np.full(2, np.nan))], "expected claims in whole milligrams"),
        (lambda case: [Round("less", case.ints("due_mg") - 10**9)], "expected claims of 0 mg or more"),
        (lambda case: [Round("more", case.ints("due_mg") + 1)], "mg due'; expected claims of at most what is due"),
        (lambda case: [Round("all", case.ints("due_mg"))] * 2, "all rounds together"),
        (lambda case: [Round("  ", case.ints("due_mg"))], "expected a name in words"),
        (lambda case: [Round("all", case.ints("due_mg"), "trusts")], "found 'trusts'; expected panels or classes"),
        (spoils, "expected claims of at most what is due"),
    ],
)
def test_a_broken_policy_is_refused_by_name(small, say, expected):
    with pytest.raises(InputError) as caught:
        run(small, say)
    assert all("policy strange of elsewhere 2.0" in str(fault) for fault in caught.value.faults)
    assert expected in str(caught.value)


def test_a_policy_that_says_it_keeps_the_tiers_order_must(small):
    def backwards(case):
        due, stage = case.ints("due_mg"), case.ints("stage")
        return [Round("low", np.where(stage > 0, due, 0)), Round("high", np.where(stage == 0, due, 0))]

    assert run(small, backwards).plan.given["mg"].sum() == 30_000
    for say in (backwards, lambda case: [Round("together", case.ints("due_mg"))]):
        with pytest.raises(InputError, match="keeps the tier's order"):
            run(small, say, keeps=True)


def test_what_a_policy_leaves_unclaimed_is_served_in_the_order_of_the_tier(small):
    for say in (lambda case: [], lambda case: (Round("nothing", case.ints("due_mg") * 0),)):
        settled = run(small, say)
        assert [(one.name, one.planned_g) for one in settled.rounds] == [
            ("what is left, grade 4", 20.0),
            ("what is left, grade 2", 10.0),
        ]


def test_an_unknown_policy_is_told_with_those_there_are():
    with pytest.raises(
        InputError, match=r"--policy: found 'pro_rate'; expected one of .*pro_rata.*Did you mean pro_rata"
    ):
        check_policy("pro_rate")
    with pytest.raises(InputError, match=r"run\.policy"):
        find_policy("nobody_knows", "run.policy")


class Mismatch(Policy):
    """Its name is not that of its entry point."""

    name = "another"
    title = "Another"
    rule = "another"

    def rounds(self, case):
        return ()


class Wordless(Mismatch):
    """It says nothing of itself."""

    name = "wordless"
    rule = " "


class NotAPolicy:
    """It only looks like one."""

    name = "not_a_policy"


@pytest.fixture
def found_as(monkeypatch):
    """Pretend that packages name these policies; objects of this file stand for their modules."""

    def pretend(**objects):
        objects[registry.DEFAULT_POLICY] = lambda: GradeOrder
        points = [EntryPoint(name, f"{name}:it", registry.GROUP) for name in objects]
        known = EntryPoints(points)
        monkeypatch.setattr(registry, "entry_points", lambda group: known)
        monkeypatch.setattr(EntryPoint, "load", lambda point: objects[point.name]())
        registry.find_policy.cache_clear()

    yield pretend
    monkeypatch.undo()
    registry.find_policy.cache_clear()


def broken():
    raise ImportError("no module named numby")


@pytest.mark.parametrize(
    ("name", "made", "expected"),
    [
        ("broken", broken, "ImportError: no module named numby"),
        ("mismatch", lambda: Mismatch, "expected the name of its entry point, mismatch"),
        ("wordless", lambda: Wordless, "policy wordless of an unknown package , rule: expected words"),
        ("not_a_policy", lambda: NotAPolicy, "found 'NotAPolicy'; expected a subclass"),
        ("abstract", lambda: Policy, "TypeError"),
    ],
)
def test_a_policy_that_cannot_be_loaded_is_named(found_as, name, made, expected):
    found_as(**{name: made})
    with pytest.raises(InputError) as caught:
        find_policy(name)
    assert expected in str(caught.value)
    assert [one.name for one in list_policies()] == [registry.DEFAULT_POLICY]
    ((unusable, why),) = unusable_policies()
    assert unusable == name
    assert expected in why


def test_an_installation_without_its_own_policies_is_told(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints([]))
    with pytest.raises(InputError, match="install igalloc again"):
        check_policy("grade_order")


def test_two_packages_with_one_name_are_told(tmp_path, monkeypatch):
    info = tmp_path / "other_policies-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-policies\nVersion: 3.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\npro_rata = nowhere:It\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry.find_policy.cache_clear()
    with pytest.raises(InputError, match=r"Both igalloc [\d.]+ and other-policies 3\.1 name it"):
        find_policy("pro_rata")
    assert find_policy("talmud").distribution == "igalloc"
