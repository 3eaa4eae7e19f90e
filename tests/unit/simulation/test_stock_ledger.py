"""The ledger: oldest first, nothing lost, nothing made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import VerificationError
from allocation.simulation.stock import Ledger


def test_oldest_is_issued_first() -> None:
    ledger = Ledger(1, 1)
    ledger.receive(0, 0, expiry_day=50, mg=100)
    ledger.open_with(0, 0, expiry_day=10, mg=100)
    ledger.issue(0, 0, 120)
    assert ledger.expire(10) == []
    assert ledger.expire(50) == [(0, 0, 80)]
    ledger.check()


def test_expiry_day_itself_is_too_late() -> None:
    ledger = Ledger(1, 2)
    ledger.open_with(0, 1, expiry_day=10, mg=7)
    assert ledger.expire(9) == []
    assert ledger.expire(10) == [(0, 1, 7)]
    assert ledger.usable.sum() == 0
    ledger.check()


def test_many_cells_at_once_are_the_same_as_one_after_the_other() -> None:
    together, apart = Ledger(3, 2), Ledger(3, 2)
    expiry_day = np.array([30, 20])
    for later, mg in enumerate(([[5, 0], [7, 3]], [[0, 4], [6, 2]])):
        together.receive_all(np.array(mg), expiry_day - 10 * later)
        for (place, product), amount in np.ndenumerate(np.array(mg)):
            apart.receive(place, product, expiry_day=int(expiry_day[product]) - 10 * later, mg=int(amount))
    taken = np.array([[5, 1], [8, 3], [0, 0]])
    together.issue_all(taken)
    for (place, product), amount in np.ndenumerate(taken):
        apart.issue(place, product, int(amount))
    assert np.array_equal(together.usable, apart.usable)
    assert np.array_equal(together.issued, taken)
    assert np.array_equal(together.delivered, apart.delivered)
    together.check()
    assert [together.expire(day) for day in (10, 20, 30)] == [apart.expire(day) for day in (10, 20, 30)]
    with pytest.raises(VerificationError):
        together.issue_all(np.full((3, 2), 100))
    with pytest.raises(VerificationError):
        together.receive_all(np.full((2, 2), -1), expiry_day)


@pytest.mark.parametrize("mg", [101, -1])
def test_what_is_not_there_cannot_be_issued(mg: int) -> None:
    ledger = Ledger(1, 1)
    ledger.open_with(0, 0, expiry_day=10, mg=100)
    with pytest.raises(VerificationError):
        ledger.issue(0, 0, mg)


def test_destroying_a_share_takes_it_from_every_batch() -> None:
    ledger = Ledger(1, 1)
    ledger.open_with(0, 0, expiry_day=10, mg=100)
    ledger.open_with(0, 0, expiry_day=20, mg=51)
    assert ledger.destroy(0, 0, 0.5) == 50 + 26
    assert ledger.expire(10) == [(0, 0, 50)]
    assert ledger.destroy(0, 0, 1.0) == 25
    assert ledger.destroy(0, 0, 1.0) == 0
    ledger.check()


def test_a_recall_reaches_what_is_on_hold() -> None:
    ledger = Ledger(1, 2)
    for product in (0, 1):
        ledger.open_with(0, product, expiry_day=10, mg=100)
    assert ledger.hold(7, 0, 0, 0.6) == 60
    assert ledger.hold(8, 0, 1, 1.0) == 100
    assert ledger.destroy(0, 0, 0.5) == 20 + 30
    assert (ledger.usable[0, 0], ledger.on_hold[0, 0], ledger.destroyed[0, 0]) == (20, 30, 50)
    assert ledger.on_hold[0, 1] == 100, "another product is left alone"
    ledger.check()
    assert ledger.destroy(0, 0, 1.0) == 50
    assert ledger.release(7) == []
    assert ledger.release(8) == [(0, 1, 100)]
    ledger.check()
    assert ledger.usable.tolist() == [[0, 100]]


def test_a_broken_hold_is_found() -> None:
    ledger = Ledger(1, 1)
    ledger.open_with(0, 0, expiry_day=10, mg=100)
    ledger.hold(0, 0, 0, 0.5)
    ledger.on_hold[0, 0] += 1
    ledger.usable[0, 0] -= 1
    with pytest.raises(VerificationError, match="balance"):
        ledger.check()


def test_destroyed_on_arrival() -> None:
    ledger = Ledger(1, 1)
    ledger.receive(0, 0, expiry_day=10, mg=100, destroyed_mg=40)
    assert (ledger.usable[0, 0], ledger.delivered[0, 0], ledger.destroyed[0, 0]) == (60, 100, 40)
    ledger.check()
    with pytest.raises(VerificationError):
        ledger.receive(0, 0, expiry_day=10, mg=100, destroyed_mg=101)
    with pytest.raises(VerificationError):
        ledger.receive(0, 0, expiry_day=10, mg=-5)


def test_a_broken_ledger_is_found() -> None:
    ledger = Ledger(1, 1)
    ledger.open_with(0, 0, expiry_day=10, mg=100)
    ledger.usable[0, 0] -= 1
    with pytest.raises(VerificationError, match="balance"):
        ledger.check()


steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "receive", "issue", "expire", "destroy", "hold", "arrive on hold", "release"]),
        st.integers(0, 1),
        st.integers(0, 1),
        st.integers(0, 60),
        st.integers(0, 10_000),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_happens_it_balances(happenings: list[tuple[str, int, int, int, int]]) -> None:
    ledger = Ledger(2, 2)
    for what, place, product, day, mg in happenings:
        if what == "open":
            ledger.open_with(place, product, expiry_day=day, mg=mg)
        elif what == "receive":
            ledger.receive(place, product, expiry_day=day, mg=mg, destroyed_mg=mg // 3)
        elif what == "issue":
            ledger.issue(place, product, min(mg, int(ledger.usable[place, product])))
        elif what == "expire":
            ledger.expire(day)
        elif what == "hold":
            ledger.hold(day % 3, place, product, (mg % 100 + 1) / 100)
        elif what == "arrive on hold":
            ledger.receive_on_hold(day % 3, place, product, expiry_day=day, mg=mg)
        elif what == "release":
            ledger.release(day % 3)
        else:
            ledger.destroy(place, product, (mg % 100 + 1) / 100)
        ledger.check()
        assert (ledger.usable >= 0).all()
    for number in range(3):
        ledger.release(number)
    ledger.expire(1000)
    ledger.check()
    assert not np.any(ledger.usable)
    assert not np.any(ledger.on_hold)
