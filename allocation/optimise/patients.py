"""From a plan in grams to whole vials for patients.

Stage after stage, and nobody of a later stage is offered anything before all of an earlier one have been:

1. As planned. In each class, those overdue longest come first, then a lottery drawn from the seed and the patient's
   identifier alone. Each is given a whole course of a planned product from the planned places, until the class's
   planned grams do not make another course.
2. Second offer. What rounding left over goes to those still waiting, a whole course each, from anywhere in the
   tier's reach; each time to the cell (panel or class) that is furthest below its plan.
3. Part of a course, where the tier lets the grade be reduced (at least its smallest share), or lets it neither be
   reduced nor wait (whatever there is).

Nobody is given several products at once, but for grades that the tier names, and for these only where no single one
makes the course.

Where the tier orders its levers, the planned mix is followed instead (:mod:`allocation.optimise.service`).

So when a stage ends, no vial in reach fits what anyone of it still lacks; but for the limit on switching, for other
products than the one given, and for what is less than the smallest share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from allocation.optimise.expiry import dealt_by_due_day
from allocation.optimise.levers import STRETCH_COLUMN
from allocation.optimise.mix import Patient
from allocation.optimise.network import NONE, Floats, Ints, Network, index_problem
from allocation.optimise.offers_limited import make_offers
from allocation.optimise.plan import Plan
from allocation.optimise.problem import CLASS_KEYS, Problem, class_keys, is_funded
from allocation.optimise.rearrange import Rearranged, Rearranging
from allocation.optimise.reasons import drawn_text, lever_words, unfunded_reason, unserved_reason, vials_text
from allocation.optimise.rounding import StageRounding, loss_bound_mg
from allocation.optimise.service import Service
from allocation.optimise.shelf import Drawn, Shelf
from allocation.optimise.side_limits import SideLimits
from allocation.optimise.solvers import SolverName, open_whole
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL
from allocation.seeds import stream

__all__ = ["PATIENT_COLUMNS", "PatientResult", "serve_patients"]

PATIENT_COLUMNS = (
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
    "days_overdue",
    "lottery",
    "would_help",
)
"""Columns of the patient list: those of the contract, what decided the order within a class, and what would have given
who goes short a whole course."""

_FUNDING = "An approved individual funding request, or another decision of the panel."
_STAGE = "A tier with a stage that serves such patients."
VIAL_COLUMNS = ("location", "product", "vial_mg", "vials", "expiry_date")


@dataclass(frozen=True, slots=True, eq=False)
class PatientResult:
    """Who is given which vials.

    Attributes
    ----------
    patients
        :data:`PATIENT_COLUMNS`, one row for everyone who is due anything, funded or not, by panel, grade (4 first) and
        identifier. ``status`` is treated, reduced, deferred, suspended or not_funded. Where the tier stretches
        intervals also ``stretched_days``: by how many days those are late at the next allocation who may be.
    issues
        ``patient_id`` and :data:`VIAL_COLUMNS`: every vial given, by batch.
    held
        ``pool`` and :data:`VIAL_COLUMNS`: vials of the emergency reserve.
    left
        :data:`VIAL_COLUMNS`: what is left on the shelf.
    rounding
        One element a stage: what whole vials cost against the plan, and its bound.
    nothing_due
        Patients who are due nothing in the window; they are not listed.
    limits_left
        What is left of the limits on switching and of the side limits; None where there are none.
    rearranged
        What came of dealing vials anew for those who went short.
    """

    patients: pd.DataFrame
    issues: pd.DataFrame
    held: pd.DataFrame
    left: pd.DataFrame
    rounding: tuple[StageRounding, ...]
    nothing_due: int
    limits_left: SideLimits | None = None
    rearranged: Rearranged = field(default_factory=Rearranged)


def serve_patients(
    demand: pd.DataFrame,
    problem: Problem,
    plan: Plan,
    stock: pd.DataFrame,
    *,
    seed: int,
    all_stock: pd.DataFrame | None = None,
    solver: SolverName = "highs",
) -> PatientResult:
    """Give patients whole vials as the plan says, and what is left over to those still waiting.

    Parameters
    ----------
    demand
        The demand table that the problem was built from, with ``patient_id``; ``days_overdue`` where known;
        ``priority`` where a policy says who of a class goes first, the lowest before all else.
    problem, plan
        The problem and its plan.
    stock
        Vials usable now: ``location``, ``product``, ``vial_mg``, ``vials``, ``expiry_date``.
    seed
        Seed of the lottery.
    all_stock
        Where ``stock`` leaves out vials that are kept for later or given to others, all there are: reasons then tell
        what nobody ever held from what is not left.
    solver
        What solves the small programs by which vials are dealt anew.

    Returns
    -------
    PatientResult
        The same whatever the order of the rows of ``demand`` and ``stock``.
    """
    net = index_problem(problem)
    rows = demand.reset_index(drop=True)
    funded, due = is_funded(rows), (rows["due_mg"] > 0).to_numpy()
    served = np.flatnonzero(funded & due)
    lottery = np.full(len(rows), np.nan)
    ids = rows["patient_id"].tolist()
    lottery[served] = [stream(seed, "lottery", ids[row]).random() for row in served.tolist()]
    patients = _patients(net, rows, served, lottery)
    shelf = Shelf(stock, panels=problem.panels, products=net.product_codes)
    offers = make_offers(net, plan.flows, shelf)
    rearranging = Rearranging(offers, open_whole(solver))
    service = Service(net, plan, offers, rearranging)
    if all_stock is not None:
        offers.held_once = Shelf(all_stock, panels=problem.panels, products=net.product_codes).mg > 0
    rounding = []
    for stage in range(len(net.stages)):
        service.serve(stage, [patient for patient in patients if net.stage[patient.c] == stage])
        rounding.append(_rounding(service, stage, patients))
        if stage == 0:
            service.hold_reserve()
    listed, order = _listed(net, rows, patients, np.flatnonzero(due), lottery)
    by_row = {patient.row: patient for patient in patients}
    issues = [(ids[row], *line) for row in order if row in by_row for line in _vials(net, by_row[row].drawn)]
    given, left = dealt_by_due_day(rows, _vial_frame(issues, "patient_id"), _vial_frame(_vials(net, shelf.left())))
    return PatientResult(
        patients=listed,
        issues=given,
        held=_vial_frame([(name, *line) for name, drawn in service.held for line in _vials(net, drawn)], "pool"),
        left=left,
        rounding=tuple(rounding),
        nothing_due=int((~due).sum()),
        limits_left=offers.limits_left(),
        rearranged=rearranging.finish(),
    )


def _patients(net: Network, rows: pd.DataFrame, served: Ints, lottery: Floats) -> list[Patient]:
    """Patients who are funded and due something, each with its class and rank."""
    frame = net.problem.classes
    names = [frame[name].tolist() for name in CLASS_KEYS]
    class_of_id = {class_id: c for c, class_id in enumerate(net.class_id.tolist())}
    class_of = {
        key: class_of_id[class_id]
        for key, class_id in zip(zip(*names, strict=True), frame["class_id"].tolist(), strict=True)
    }
    keys = class_keys(rows.iloc[served])
    overdue = rows["days_overdue"].to_numpy(dtype=np.int64) if "days_overdue" in rows else np.zeros(len(rows), np.int64)
    none = np.zeros(len(rows), np.int64)
    priority = rows["priority"].to_numpy(dtype=np.int64) if "priority" in rows else none
    due_mg = rows["due_mg"].to_numpy(dtype=np.int64)
    ids = rows["patient_id"].tolist()
    stretch = rows[STRETCH_COLUMN].to_numpy() > 0 if STRETCH_COLUMN in rows else none > 0
    course_mg = rows["course_mg"].to_numpy(dtype=np.int64) if "course_mg" in rows else due_mg
    # Who can be stretched waits first; but where that is the lever to be spared, last.
    first = net.problem.tier.stretches_last
    return [
        Patient(
            row=row,
            c=class_of[key],
            grade=int(key[1]),
            due_mg=int(due_mg[row]),
            rank=(
                *(int(priority[row]), bool(stretch[row] != first), not key[2], -int(overdue[row])),
                *(float(lottery[row]), ids[row]),
            ),
            course_mg=int(course_mg[row]),
            stretch=bool(stretch[row]),
        )
        for row, key in zip(
            served.tolist(), zip(*(keys[name].tolist() for name in CLASS_KEYS), strict=True), strict=True
        )
    ]


def _rounding(service: Service, stage: int, patients: Iterable[Patient]) -> StageRounding:
    net = service.net
    lacking = np.zeros(len(net.due_mg), dtype=np.int64)
    for patient in patients:
        lacking[patient.c] += patient.due_mg - patient.given_mg
    here, so_far = net.cell_stage == stage, net.cell_stage <= stage
    reserve_mg = service.reserve_mg if stage else np.zeros_like(service.reserve_mg)
    return StageRounding(
        stage=net.stages[stage].name,
        planned_mg=int(service.planned_mg[here].sum()),
        given_mg=int(service.given_mg[here].sum()),
        lost_mg=int((service.planned_mg - service.given_mg)[so_far].sum()),
        bound_mg=loss_bound_mg(
            net,
            stage,
            lacking_mg=lacking,
            shelf_mg=service.offers.shelf.mg,
            held_mg=service.held_mg,
            reserve_mg=reserve_mg,
        ),
    )


def _listed(
    net: Network, rows: pd.DataFrame, patients: list[Patient], due: Ints, lottery: Floats
) -> tuple[pd.DataFrame, list[int]]:
    """The patient list, and the rows of the demand table in its order."""
    by_row = {patient.row: patient for patient in patients}
    place_of = {code: place for place, code in enumerate(net.problem.panels)}
    columns = {name: rows[name].tolist() for name in ("patient_id", "panel")}
    grade = rows["grade"].fillna(0).astype(np.int64).tolist()
    blank = [""] * len(rows)
    commissioned, decision = (
        rows[name].tolist() if name in rows else blank for name in ("commissioned", "panel_decision")
    )
    order = sorted(
        due.tolist(),
        key=lambda row: (place_of.get(columns["panel"][row], len(place_of)), -grade[row], columns["patient_id"][row]),
    )
    lines: list[tuple[Any, ...]] = []
    overdue = rows["days_overdue"].tolist() if "days_overdue" in rows else [0] * len(rows)
    due_mg = rows["due_mg"].tolist()
    for row in order:
        patient = by_row.get(row)
        if patient is None:
            status, reason, drawn, given_mg = "not_funded", unfunded_reason(commissioned[row], decision[row]), [], 0
            change = _FUNDING
        else:
            status, reason = _status(net, patient)
            drawn, given_mg = patient.drawn, patient.given_mg
            change = patient.change if net.stage[patient.c] != NONE else _STAGE
        products, places = drawn_text(net, drawn)
        lines.append(
            (
                columns["patient_id"][row],
                columns["panel"][row],
                grade[row],
                due_mg[row] / MG_PER_G,
                given_mg / MG_PER_G,
                status,
                products,
                vials_text(drawn),
                places,
                reason,
                int(overdue[row]),
                lottery[row],
                change,
            )
        )
    frame = pd.DataFrame(lines, columns=list(PATIENT_COLUMNS))
    if STRETCH_COLUMN in rows:
        days = rows[STRETCH_COLUMN].to_numpy(dtype=np.int64)[order]
        days = np.where(frame["status"].isin(["deferred", "suspended"]), days, 0)
        frame = frame.assign(stretched_days=days)
    if net.problem.tier.lever_order:
        frame = frame.assign(reason=frame["reason"] + lever_words(net.problem.tier, frame, rows, order))
    numbers = {"due_g": "float64", "given_g": "float64", "lottery": "float64"}
    return frame.astype({"grade": "int64", "days_overdue": "int64", **numbers}), order


def _status(net: Network, patient: Patient) -> tuple[str, str]:
    if patient.given_mg == patient.due_mg:
        return "treated", patient.reason
    if patient.given_mg:
        return "reduced", patient.reason
    # A tier that suspends a grade still serves it where everyone above is served in full: only then is stock left.
    status = "suspended" if patient.grade in net.problem.tier.suspend_grades else "deferred"
    return status, patient.reason if net.stage[patient.c] != NONE else unserved_reason(net.problem.tier, patient.grade)


def _vials(net: Network, drawn: Iterable[Drawn]) -> list[tuple[Any, ...]]:
    places = (*net.problem.panels, NATIONAL)
    batches: dict[tuple[int, int, int, Any], int] = {}
    for part in drawn:
        batch = (part.place, part.product, part.vial_mg, part.expiry)
        batches[batch] = batches.get(batch, 0) + part.vials
    return [
        (places[place], net.product_codes[product], vial_mg, vials, expiry)
        for (place, product, vial_mg, expiry), vials in batches.items()
    ]


def _vial_frame(lines: list[tuple[Any, ...]], *first: str) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=[*first, *VIAL_COLUMNS])
    return frame.astype({"vial_mg": "int64", "vials": "int64", "expiry_date": "datetime64[ns]"})
