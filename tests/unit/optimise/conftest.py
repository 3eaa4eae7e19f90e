"""Small valid problems, so that a test states only what matters to it."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from allocation.optimise.problem import Problem, build_problem
from allocation.rules import PanelSet, ProductSet, load_products, load_tiers
from allocation.rules.supply import Panel, Tier

CODES = ("privigen_10", "octagam_10", "hizentra_20", "subgam_16")


def panels(**regions: str) -> PanelSet:
    return PanelSet(panel=tuple(Panel(code=c, name=c, region=r, population=1, trusts=1) for c, r in regions.items()))


def products(*codes: str) -> ProductSet:
    known = load_products().by_code
    return ProductSet(product=tuple(known[code] for code in codes or CODES))


def patients(*rows: dict[str, Any]) -> pd.DataFrame:
    """Demand rows: ``due_g`` is the only thing that must be given."""
    usual = {
        "panel": "P1",
        "grade": 3,
        "emergency": False,
        "acute": False,
        "route": "IV",
        "product": "privigen_10",
        "locked": False,
        "days_overdue": 0,
        "funded": True,
    }
    lines = []
    for number, row in enumerate(rows):
        line = {"patient_id": f"A{number:03}", **usual, **row}
        line["due_mg"] = round(line.pop("due_g") * 1000)
        line["course_mg"] = line["due_mg"]
        lines.append(line)
    names = ["patient_id", *usual, "due_mg", "course_mg"]
    frame = pd.DataFrame(lines, columns=names)
    return frame.astype({"grade": "Int8", "due_mg": "int64", "course_mg": "int64"})


def shelf(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Vials: place, product, grams a vial, number, and an expiry date where it matters."""
    lines = [(p, c, round(g * 1000), n, *(rest or (None,))) for p, c, g, n, *rest in rows]
    frame = pd.DataFrame(lines, columns=["location", "product", "vial_mg", "vials", "expiry_date"])
    return frame.astype({"vial_mg": "int64", "vials": "int64", "expiry_date": "datetime64[ns]"})


def grams(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Stock in grams, vials aside."""
    frame = pd.DataFrame([(p, c, round(g * 1000)) for p, c, g in rows], columns=["location", "product", "mg"])
    return frame.astype({"mg": "int64"})


def problem(
    demand: pd.DataFrame,
    stock: pd.DataFrame,
    tier: int | Tier,
    *,
    reserve: Iterable[tuple[str, float]] = (),
    places: PanelSet | None = None,
) -> Problem:
    held = pd.DataFrame([(pool, round(g * 1000)) for pool, g in reserve], columns=["pool", "mg"])
    return build_problem(
        demand,
        stock,
        tier=load_tiers().of(tier) if isinstance(tier, int) else tier,
        panels=places or panels(P1="North", P2="North", P3="South"),
        products=products(),
        reserve=held.astype({"mg": "int64"}) if len(held) else None,
    )


def served(problem: Problem, plan: Any) -> dict[tuple[Any, ...], float]:
    """Grams by panel, grade and product given."""
    frame = plan.given.merge(problem.classes[["class_id", "panel", "grade"]], on="class_id")
    sums = frame.groupby(["panel", "grade", "product"])["mg"].sum() / 1000
    return sums.to_dict()


def value(plan: Any, name: str) -> float:
    return next(item.value for item in plan.objectives if item.name == name)


@pytest.fixture
def small() -> SimpleNamespace:
    """Builders of small cases."""
    return SimpleNamespace(
        panels=panels,
        products=products,
        patients=patients,
        shelf=shelf,
        grams=grams,
        problem=problem,
        served=served,
        value=value,
        tier=load_tiers().of,
    )
