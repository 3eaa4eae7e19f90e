"""Properties that every patient list must have, whatever the vials in stock."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.rearrange import Rearranging
from allocation.optimise.verify import verify
from allocation.rules import NATIONAL, PanelSet, ProductSet, load_products, load_tiers
from allocation.rules.supply import Panel, Tier

CODES = ("privigen_10", "octagam_10", "hizentra_20", "subgam_16")
PRODUCTS = ProductSet(product=tuple(load_products().by_code[code] for code in CODES))
REGION = {"P1": "North", "P2": "North", "P3": "South"}
PANELS = PanelSet(panel=tuple(Panel(code=c, name=c, region=r, population=1, trusts=1) for c, r in REGION.items()))
TIERS = load_tiers()
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def strict(tier: Tier, **changes: object) -> Tier:
    return tier.model_copy(update=changes)


ALL_TIERS = [
    *TIERS.tier,
    strict(TIERS.of(2), stock_reach="region"),
    strict(TIERS.of(3), smallest_reduced_share=0.8, switch_capacity=0.2),
    strict(TIERS.of(4), reduce_grades=(1,), defer_grades=(2, 3)),
    strict(TIERS.of(1), reduce_grades=()),
]

people = st.lists(
    st.fixed_dictionaries(
        {
            "panel": st.sampled_from(tuple(REGION)),
            "grade": st.sampled_from((0, 1, 2, 3, 4, 4)),
            "emergency": st.booleans(),
            "route": st.sampled_from(("IV", "IV", "SC", "IM")),
            "product": st.sampled_from(("", *CODES)),
            "locked": st.sampled_from((False, False, True)),
            "due_mg": st.sampled_from((0, 500, 2500, 7500, 10_000, 12_500, 35_000, 40_000)) | st.integers(1, 80_000),
            "days_overdue": st.sampled_from((0, 0, 3, 10)),
            "funded": st.sampled_from((True, True, True, False)),
        }
    ),
    max_size=14,
)
lots = st.lists(
    st.tuples(
        st.sampled_from((*REGION, NATIONAL)),
        st.sampled_from([(p.code, size) for p in PRODUCTS.product for size in p.vial_mg]),
        st.integers(0, 5),
        st.sampled_from((None, "2026-12-01", "2027-06-30")),
    ),
    max_size=12,
)


def demand_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    names = ["panel", "grade", "emergency", "route", "product", "locked", "due_mg", "days_overdue", "funded"]
    frame = pd.DataFrame(rows, columns=names)
    frame.insert(0, "patient_id", [f"A{number:02}" for number in range(len(rows))])
    return frame.astype({"due_mg": "int64", "grade": "int64", "days_overdue": "int64", "funded": bool})


def stock_of(rows: list[tuple[str, tuple[str, int], int, str | None]]) -> pd.DataFrame:
    flat = [(place, code, size, count, day) for place, (code, size), count, day in rows]
    frame = pd.DataFrame(flat, columns=["location", "product", "vial_mg", "vials", "expiry_date"])
    return frame.astype({"vial_mg": "int64", "vials": "int64", "expiry_date": "datetime64[ns]"})


@pytest.mark.slow
@FEW
@given(people, lots, st.sampled_from(ALL_TIERS), st.sampled_from((0, 0, 500, 20_000)), st.integers(0, 2**31))
def test_every_patient_list_passes_the_verifier(rows, vials, tier, reserve_mg, seed):
    demand, stock = demand_of(rows), stock_of(vials)
    pools = {"panel": tuple(REGION), "region": ("North", "South"), "national": (NATIONAL,)}[tier.stock_reach]
    reserve = pd.DataFrame({"pool": list(pools), "mg": [reserve_mg] * len(pools)}) if reserve_mg else None
    problem = build_problem(demand, stock, tier=tier, panels=PANELS, products=PRODUCTS, reserve=reserve)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=seed)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()
    again = serve_patients(demand.iloc[::-1], problem, plan, stock.iloc[::-1], seed=seed)
    pd.testing.assert_frame_equal(result.patients, again.patients)
    pd.testing.assert_frame_equal(result.issues, again.issues)


@pytest.mark.slow
@FEW
@given(people, lots, st.sampled_from((TIERS.of(1), TIERS.of(2), strict(TIERS.of(2), stock_reach="region"))))
def test_dealing_anew_takes_nothing_from_anybody(rows, vials, tier):
    """Where there is one stage; patients alike may change places with each other."""
    one_stage = strict(tier, stage=tier.stage[1:])
    demand, stock = demand_of(rows), stock_of(vials)
    problem = build_problem(demand, stock, tier=one_stage, panels=PANELS, products=PRODUCTS)
    plan = solve(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rearranging, "more_for", lambda _self, _patient, _others: [])
        before = serve_patients(demand, problem, plan, stock, seed=1)
    after = serve_patients(demand, problem, plan, stock, seed=1)
    alike = [*demand.columns[1:-2], "funded"]
    for _, group in demand.groupby(alike, dropna=False):
        of = group["patient_id"]
        less, more = (
            sorted(result.patients.loc[result.patients["patient_id"].isin(of), "given_g"]) for result in (before, after)
        )
        assert all(b >= a for a, b in zip(less, more, strict=True))


@pytest.mark.slow
@settings(FEW, max_examples=12)
@given(people, lots, st.sampled_from(ALL_TIERS))
def test_both_solvers_give_every_patient_the_same(rows, vials, tier):
    demand, stock = demand_of(rows), stock_of(vials)
    problem = build_problem(demand, stock, tier=tier, panels=PANELS, products=PRODUCTS)
    plan = solve(problem)
    one, other = (
        serve_patients(demand, problem, plan, stock, seed=1, solver=solver).patients["given_g"]
        for solver in ("highs", "cbc")
    )
    pd.testing.assert_series_equal(one, other)
