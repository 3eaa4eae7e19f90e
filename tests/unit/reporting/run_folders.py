"""Run folders as the simulator and the allocator leave them, made by plain arithmetic and a seeded generator."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.records import canonical_json, sha256_of
from allocation.rules import load_panels

GRADE_SHARE = {4: 0.30, 3: 0.34, 2: 0.22, 1: 0.12, 0: 0.02}
INDICATIONS = {
    4: (("pid", ""), ("gbs", ""), ("kawasaki_or_pims_ts", "")),
    3: (("cidp", ""), ("multifocal_motor_neuropathy", ""), ("itp", "planned_surgery")),
    2: (("secondary_antibody_deficiency", ""), ("inflammatory_myopathy", "")),
    1: (("autoimmune_uveitis", ""), ("immunobullous_disease", "")),
    0: (("unlisted", ""),),
}
PRODUCTS = ("privigen_10", "octagam_10", "hizentra_20")
START, LENGTH, LOSS = 12, 26, 0.22
SMALL_GROUP = ("SRIAP05", 0, "unlisted")
"""In this group 4 patients are counted and 3 of them are late, in every replication."""


def panel_codes() -> list[str]:
    return list(load_panels().by_code)


def _supply(week: int, luck: float) -> float:
    short = START <= week < START + LENGTH
    return (1 - LOSS * short + 0.09 * (week >= START + LENGTH)) * luck


def _one_replication(replication: int, weeks: int, calm: bool):
    """Rows by week of one replication: a stock that drains, tiers by cover, lower grades waiting first."""
    rng = np.random.default_rng(100 + replication)
    codes = panel_codes()
    weight = np.array([p.population * p.use_index for p in load_panels().panel], dtype=float)
    weight /= weight.sum()
    demand = 105_000.0
    stock = demand * 4.2
    backlog = {(p, g): 0.0 for p in range(len(codes)) for g in GRADE_SHARE}
    rows, national = [], []
    for week in range(weeks):
        luck = 1 + rng.normal(0, 0.05)
        stock += demand * (1.0 if calm else _supply(week, luck))
        cover = stock / demand
        tier = 1 + (cover < 3.4) + (cover < 2.4) + (cover < 1.15)
        budget = max(stock - demand * (0.0, 0.0, 0.55, 0.75)[tier - 1], 0.0) if tier > 2 else stock
        noise = 1 + rng.normal(0, 0.02, size=(len(codes), len(GRADE_SHARE)))
        due = {
            (p, g): demand * weight[p] * share * noise[p, k]
            for p in range(len(codes))
            for k, (g, share) in enumerate(GRADE_SHARE.items())
        }
        for grade in GRADE_SHARE:
            owed = {key: due[key] + backlog[key] for key in due if key[1] == grade}
            total = sum(owed.values())
            level = min(1.0, budget / total) if total else 1.0
            for key, grams in owed.items():
                bent = min(1.0, level * (1 + 0.06 * np.sin(key[0] * 2.1))) if level < 1 else 1.0
                if grade == 1 and tier >= 3:
                    bent = 0.0
                given = grams * bent
                lost = (grams - given) * (0.12 if grade <= 2 else 0.01)
                backlog[key] = grams - given - lost
                if grade and 1 - bent > 0 and replication == 0 and week == weeks - 1:
                    pass
                budget -= given
                stock -= given
                rows.append(
                    (
                        replication,
                        week,
                        codes[key[0]],
                        grade,
                        PRODUCTS[(key[0] + week) % 3],
                        due[key],
                        given,
                        backlog[key],
                        lost,
                        0.0,
                        given * 0.02 * (tier >= 3),
                        given * 0.05 * (tier >= 2),
                    )
                )
            budget = max(budget, 0.0)
        stock = max(stock, 0.0)
        national.append((replication, week, tier, cover, stock, demand))
    return rows, national


def _affected(replication: int, panels: pd.DataFrame, calm: bool) -> list[tuple]:
    rng = np.random.default_rng(900 + replication)
    rows = []
    mine = panels[panels["replication"] == replication]
    for row in mine.itertuples():
        kinds = INDICATIONS[row.grade]
        for k, (indication, situation) in enumerate(kinds):
            patients = max(round(row.due_g / 300 / len(kinds) * (1 + 0.3 * k) / 1.15), 1)
            late_share = min(0.9, 2.2 * row.deferred_g / row.due_g)
            late = 0 if calm else int(rng.binomial(patients, late_share))
            days = round(late * (6 + 60 * row.deferred_g / row.due_g))
            if (row.panel, row.grade, indication) == SMALL_GROUP:
                patients, late, days = 4, 0 if calm else 3, 0 if calm else 41
            rows.append(
                (
                    replication,
                    row.panel,
                    indication,
                    situation,
                    row.grade,
                    patients,
                    late,
                    days,
                    row.deferred_g / len(kinds),
                    row.unmet_g / len(kinds),
                )
            )
    return rows


def _outcome(label: str, unit: str, values: np.ndarray) -> dict:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    mean = float(values.mean())
    return {
        "label": label,
        "unit": unit,
        "mean": mean,
        "low": mean - float(half),
        "high": mean + float(half),
        "replications": len(values),
    }


def make_run_folder(folder: Path, *, weeks: int = 60, replications: int = 5, calm: bool = False) -> Path:
    """A simulation of a supply loss (or of none, when ``calm``), with every file the simulator writes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, national = [], []
    for replication in range(replications):
        more, nation = _one_replication(replication, weeks, calm)
        rows += more
        national += nation
    grams = ["due_g", "issued_g", "deferred_g", "unmet_g", "expired_g", "moved_g", "switched_g"]
    weekly = pd.DataFrame(rows, columns=["replication", "week", "panel", "grade", "product", *grams])
    weekly = weekly.astype({"replication": "int32", "week": "int32", "grade": "int8"})
    weekly.to_parquet(folder / "weeks.parquet", index=False)
    nation = pd.DataFrame(national, columns=["replication", "week", "tier", "cover_weeks", "stock_g", "demand_g"])
    nation = nation.astype({"replication": "int32", "week": "int32", "tier": "int8"})
    nation.to_parquet(folder / "national.parquet", index=False)
    panels = weekly.groupby(["replication", "panel", "grade"])[grams].sum().reset_index()
    affected = pd.DataFrame(
        [row for replication in range(replications) for row in _affected(replication, panels, calm)],
        columns=[
            "replication",
            "panel",
            "indication",
            "situation",
            "grade",
            "patients",
            "patients_late",
            "days_late_total",
            "deferred_g_weeks",
            "unmet_g",
        ],
    ).astype({"replication": "int32", "grade": "int8"})
    affected.to_parquet(folder / "affected.parquet", index=False)
    late = affected.groupby("replication")["patients_late"].sum()
    ungraded = affected[affected["grade"] == 0].groupby("replication")["patients_late"].sum()
    unmet = weekly.groupby("replication")["unmet_g"].sum()
    four = weekly[weekly["grade"] == 4].groupby("replication")["unmet_g"].sum()
    cover = nation.groupby("replication")["cover_weeks"].min()
    high = nation[nation["tier"] >= 3].groupby("replication").size().reindex(range(replications), fill_value=0)
    outcomes = pd.DataFrame(
        {
            "replication": np.arange(replications),
            "lowest_cover_weeks": cover.to_numpy(),
            "weeks_at_tier_3_or_above": high.to_numpy(dtype=float),
            "unmet_g": unmet.to_numpy(),
            "unmet_grade_4_g": four.to_numpy(),
            "patients_late": late.to_numpy(dtype=float),
            "patients_late_ungraded": ungraded.to_numpy(dtype=float),
        }
    )
    outcomes.to_parquet(folder / "outcomes.parquet", index=False)
    labels = {
        "lowest_cover_weeks": ("Lowest national cover", "weeks"),
        "weeks_at_tier_3_or_above": ("Time at tier 3 or above", "weeks"),
        "unmet_g": ("Grams given up", "g"),
        "unmet_grade_4_g": ("Grams given up, grade 4", "g"),
        "patients_late": ("Patients with a course late", "patients"),
        "patients_late_ungraded": ("Ungraded patients with a course late", "patients"),
    }
    summary = {
        "kind": "simulation",
        "scenario": "supplier_loss",
        "title": "A supplier loses a fifth of national supply for half a year",
        "description": "One supplier cannot deliver for 26 weeks; the others rise by a tenth afterwards.",
        "weeks": weeks,
        "replications": replications,
        "seed": 7,
        "cohort": {"patients": 16_980, "name": "synthetic national cohort"},
        "outcomes": {name: _outcome(*text, outcomes[name].to_numpy()) for name, text in labels.items()},
        "assumptions": [
            {
                "id": "S01",
                "title": "Tier triggers",
                "text": "Tier 2 below 3.4 weeks of cover, tier 3 below 2.4, tier 4 below 1.15.",
                "source": "No public figure exists for England",
                "confidence": "P",
            },
            {
                "id": "S02",
                "title": "Stock at the start",
                "text": "4.2 weeks of expected demand in all places together.",
                "source": {"document": "Evidence register", "section": "7", "confidence": "P"},
                "confidence": "P",
            },
            {
                "id": "S03",
                "title": "National use",
                "text": "About 5.5 million grams a year for 17,000 patients <as read>.",
                "source": "Trade press, 2021",
                "confidence": "F*",
            },
        ],
        "disruptions": []
        if calm
        else [
            {
                "kind": "output_cut",
                "role": "disruption",
                "start_week": START,
                "weeks": LENGTH,
                "size": -LOSS,
                "text": "Output cut of one supplier",
            },
            {"kind": "demand_surge", "start_week": 30, "weeks": 6, "size": 0.03, "text": "Winter demand"},
        ],
        "sources": [
            "Evidence register, sections 1 and 7",
            {"document": "NHS management plan 2021", "section": "tiers"},
        ],
        "tiers": [
            {"tier": 1, "name": "Minimal risk: everyone stays on the same product"},
            {"tier": 2, "name": "Greater risk, managed sub-regionally: low-risk alternatives"},
            {"tier": 3, "name": "Critical: the plan is in force, mutual aid in the region"},
            {"tier": 4, "name": "Beyond the health system: central allocation"},
        ],
    }
    (folder / "summary.json").write_text(canonical_json(summary), encoding="utf-8")
    write_manifest(folder, command="simulate")
    return folder


def write_manifest(folder: Path, *, command: str) -> None:
    """Manifest with the hash of every other file in the folder."""
    outputs = {
        p.name: sha256_of(p) for p in sorted(folder.iterdir()) if p.suffix != ".html" and p.name != "manifest.json"
    }
    manifest = {
        "program": "igalloc",
        "version": "0.1.0",
        "python": "3.11.7",
        "libraries": {"numpy": "2.4.6", "pandas": "2.3.3"},
        "command": command,
        "inputs": {"cohort": {"file": "national_cohort.parquet", "sha256": "ab" * 32}},
        "options": {
            "replications": 5,
            "workers": 2,
            "policy": "grade_order",
            "tier": 3,
            "as_of": "2026-11-02",
            "weeks": 4,
        },
        "seed": 7,
        "rulebook": "nhs_2021 1.0",
        "outputs": outputs,
    }
    (folder / "manifest.json").write_text(canonical_json(manifest), encoding="utf-8")


def make_allocation_folder(folder: Path, *, panels: int = 21, scale: float = 1.0) -> Path:
    """A tier 3 allocation: grade 4 in full, the rest less and less; one panel and grade with 4 patients."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    codes = panel_codes()[:panels]
    patients, flows = [], {}
    serial = 0
    for p, panel in enumerate(codes):
        for grade, share in GRADE_SHARE.items():
            n = 4 if (panel, grade) == ("SRIAP05", 0) else max(round(420 * share * scale * (0.8 + 0.03 * p)), 1)
            for _ in range(n):
                serial += 1
                due = float(rng.choice([20, 25, 30, 40, 60]))
                chance = {4: 1.0, 3: 0.93 - 0.01 * p, 2: 0.6 - 0.01 * p, 1: 0.0, 0: 0.0}[grade]
                draw = rng.random()
                product = PRODUCTS[serial % 3]
                origin = "NATIONAL" if serial % 11 == 0 else codes[(p + 1) % len(codes)] if serial % 7 == 0 else panel
                if grade == 0:
                    status, given = "not_funded", 0.0
                    reason = "Not listed and no individual funding is recorded."
                elif draw < chance:
                    status, given = "treated", due
                    reason = f"Grade {grade} is served in full at tier 3: {due:.0f} g of {product}."
                elif draw < chance + 0.04:
                    status, given = "reduced", 10.0
                    reason = f"Stock at {panel} left 10 g of {due:.0f} g; last dose 2026-09-{1 + serial % 28:02d}."
                elif grade == 1:
                    status, given = "suspended", 0.0
                    reason = "Grade 1 is suspended at tier 3."
                else:
                    status, given = "deferred", 0.0
                    reason = f"Waits for stock at {panel}: others of grade {grade} are {serial % 40} days overdue."
                patients.append(
                    (
                        f"P{serial:06d}",
                        panel,
                        grade or "",
                        due,
                        given,
                        status,
                        product,
                        "",
                        origin if given else "",
                        reason,
                    )
                )
                if given:
                    flows[origin, panel, product] = flows.get((origin, panel, product), 0.0) + given
    names = [
        "patient_id",
        "panel",
        "grade",
        "due_g",
        "given_g",
        "status",
        "product",
        "vials",
        "from_location",
        "reason",
    ]
    frame = pd.DataFrame(patients, columns=names)
    frame.to_csv(folder / "patients.csv", index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    sums = frame.assign(n=1).groupby(["panel", "grade"], sort=False)[["n", "due_g", "given_g"]].sum().reset_index()
    sums = sums.rename(columns={"n": "patients"})
    sums["planned_g"] = np.minimum(sums["given_g"] * 1.004, sums["due_g"])
    sums["unmet_g"] = sums["due_g"] - sums["given_g"]
    sums["fill_rate"] = sums["given_g"] / sums["due_g"]
    order = ["panel", "grade", "patients", "due_g", "planned_g", "given_g", "unmet_g", "fill_rate"]
    sums[order].to_csv(folder / "panels.csv", index=False, lineterminator="\n")
    flow_rows = [(*key, grams) for key, grams in sorted(flows.items())]
    pd.DataFrame(flow_rows, columns=["from_location", "panel", "product", "grams"]).to_csv(
        folder / "flows.csv", index=False, lineterminator="\n"
    )
    _panel_tables(folder, frame)
    shadow = [(panel, product, 3, 950.0 - 10 * k) for k, panel in enumerate(codes[:5]) for product in PRODUCTS]
    pd.DataFrame(shadow, columns=["panel", "product", "grade", "grams_per_kg"]).to_csv(
        folder / "shadow_prices.csv", index=False, lineterminator="\n"
    )
    result = {
        "kind": "allocation",
        "status": "optimal",
        "objectives": [{"name": "unmet grade 4", "value": 0.0}, {"name": "unmet grade 3", "value": 41_230.0}],
        "certificate": {
            "stock_conserved": True,
            "nothing_above_demand": True,
            "grade_order_kept": True,
            "fairness": {"holds": True, "worst_panel_fill": 0.71},
        },
        "rounding": {"loss_g": 1_240.0, "bound_g": 4_100.0, "patients_short": 3},
        "solver": "highs",
        "seconds": 0.41,
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    write_manifest(folder, command="allocate")
    return folder


def _panel_tables(folder: Path, frame: pd.DataFrame) -> None:
    """Cohort with overdue reviews, and shelf with cover, by panel: each fifth patient has a review overdue."""
    late = pd.Series(range(len(frame)), index=frame.index) % 5 == 0
    rows = frame.assign(
        patients=1, reviews_overdue=late.astype(int), overdue_due=late.astype(int), overdue_due_g=frame["due_g"] * late,
        overdue_given_g=frame["given_g"] * late,
    )  # fmt: skip
    names = ["patients", "reviews_overdue", "overdue_due", "overdue_due_g", "overdue_given_g"]
    sums = rows.groupby(["panel", "grade"], sort=False)[names].sum().reset_index()
    sums.insert(3, "patients_due", sums["patients"])
    sums.to_csv(folder / "panel_cohort.csv", index=False, lineterminator="\n")
    weekly = frame.groupby("panel")["due_g"].sum() / 4
    shelf = pd.DataFrame({"location": weekly.index, "stock_g": 2.5 * weekly.to_numpy(), "weekly_g": weekly.to_numpy()})
    shelf["cover_weeks"] = 2.5
    shelf.to_csv(folder / "panel_stock.csv", index=False, lineterminator="\n")
