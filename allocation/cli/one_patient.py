"""The command ``dose``: one patient's course, or every dose of a cohort."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import typer

from allocation.cli.options import Panels, Products, Rejects, Rulebook, Strict, as_date, keep_inputs, one_of
from allocation.cli.shown import say, say_set_aside, shown
from allocation.errors import Fault, InputError

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "dose",
        epilog=(
            "Examples: igalloc dose --sex M --age 45 --height-cm 170 --weight-kg 84 --g-per-kg 2 --days 5; "
            "igalloc dose --cohort cohort.csv --as-of 2026-11-01 --out doses.csv --explain"
        ),
    )(dose)


Recorded = Literal["unknown", "actual", "dosing"]
Packs = Literal["same_route", "any_route", "none"]
Weaning = Literal["dose", "interval", "none"]
_CHILD = {"age": "table_by_age", "height": "table_by_height", "bmi": "bmi_by_age"}
_EXPLAINED = 10


@shown
def dose(
    *,
    sex: Annotated[str | None, typer.Option("--sex", metavar="F|M", help="Sex, for the ideal body weight.")] = None,
    age: Annotated[float | None, typer.Option("--age", help="Age in years; a child's months as a fraction.")] = None,
    weight_kg: Annotated[float | None, typer.Option("--weight-kg", help="Actual weight in kg.")] = None,
    g_per_kg: Annotated[
        float | None, typer.Option("--g-per-kg", help="Grams for each kg, for the whole course.")
    ] = None,
    height_cm: Annotated[
        float | None, typer.Option("--height-cm", help="Height in cm; not needed where the ideal weight goes by age.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", help="Days the course is given over; 1 if left out.")] = None,
    vials: Annotated[
        str | None, typer.Option("--vials", metavar="5,10,20", help="Vial sizes in grams; else the product's.")
    ] = None,
    product: Annotated[
        str | None, typer.Option("--product", metavar="CODE", help="Product whose vials are used.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="table|json", help="How to print one patient's dose.")
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option("--cohort", metavar="FILE", help="Dose a whole cohort instead: CSV, Parquet or XLSX."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Cohort: the day the answer is for, YYYY-MM-DD.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Cohort: where the table goes, a row a patient.")
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Print the arithmetic step by step; of a cohort for ten different patients."),
    ] = False,
    recorded_by: Annotated[
        str | None,
        typer.Option(
            "--recorded-by",
            metavar="unknown|actual|dosing",
            help="Cohort: the weight behind the recorded doses; unknown if left out.",
        ),
    ] = None,
    packs: Annotated[
        str | None,
        typer.Option(
            "--packs",
            metavar="same_route|any_route|none",
            help="Cohort: products that may fit better; same_route if left out.",
        ),
    ] = None,
    weaning: Annotated[
        str | None,
        typer.Option(
            "--weaning",
            metavar="dose|interval|none",
            help="Cohort: how those stable long enough are weaned; by dose if left out.",
        ),
    ] = None,
    child_weight: Annotated[
        str | None,
        typer.Option("--child-weight", metavar="age|height|bmi", help="How a child's ideal weight is found."),
    ] = None,
    rejects: Rejects = None,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
) -> None:
    """Work out one patient's course in whole vials, or every dose of a cohort with what could be saved."""
    from allocation.workflow.rules_in_use import load_rules

    if child_weight is not None:
        one_of("--child-weight", child_weight, tuple(_CHILD))
    one = {"--sex": sex, "--age": age, "--weight-kg": weight_kg, "--g-per-kg": g_per_kg}
    more = {"--height-cm": height_cm, "--days": days, "--vials": vials, "--product": product, "--format": format_}
    many = {"--cohort": cohort, "--as-of": as_of, "--out": out}
    how = {"--recorded-by": recorded_by, "--packs": packs, "--weaning": weaning}
    if cohort is None:
        files = {"--rejects": rejects, "--strict": strict or None, "--panels": panels}
        _one_use(needed=one, foreign={**many, **how, **files}, other="a cohort, which needs --cohort")
        rules = load_rules(rulebook=rulebook, products=products)
        _print_one({**one, **more}, rules, child_method=_CHILD.get(child_weight or ""))
        return
    _one_use(needed=many, foreign={**one, **more}, other="one patient, and --cohort was given")
    chosen = (recorded_by or "unknown", packs or "same_route", weaning or "dose")
    for option, value, allowed in zip(how, chosen, (Recorded, Packs, Weaning), strict=True):
        one_of(option, value, get_args(allowed))
    from allocation.cohort.stewardship import SavingsOptions
    from allocation.workflow.dosing_cohort import dose_cohort, stewardship_text

    keep_inputs({"--cohort": cohort, "--panels": panels, "--products": products}, {"--out": out, "--rejects": rejects})
    result = dose_cohort(
        cohort,
        as_of=as_date(as_of or ""),
        out=out or cohort,
        rules=load_rules(rulebook=rulebook, products=products, panels=panels),
        rejects=rejects,
        strict=strict,
        explain=_EXPLAINED if explain else 0,
        child_method=cast("Any", _CHILD.get(child_weight or "")),
        options=SavingsOptions(*cast("tuple[Recorded, Packs, Weaning]", chosen)),
    )
    for steps in result.explained:
        sys.stdout.write("\n  ".join(steps) + "\n\n")
    sys.stdout.write(stewardship_text(result))
    say(f"{len(result.table):,} patients dosed. Written to {out}")
    say_set_aside(result.read.faults, len(result.read.rejects), result.rejects_path, expected=rejects is not None)


def _one_use(*, needed: dict[str, Any], foreign: dict[str, Any], other: str) -> None:
    """Refuse options of the other use of the command, and name those that are wanting."""
    given = [option for option, value in foreign.items() if value is not None]
    faults = [Fault(option, f"nothing: this option is for {other}", value=str(foreign[option])) for option in given]
    remedy = "" if "--cohort" in needed else "Or dose a whole file with --cohort FILE --as-of DATE --out FILE."
    faults += [Fault(option, "a value", remedy=remedy) for option, value in needed.items() if value is None]
    if faults:
        raise InputError(faults)


def _print_one(given: dict[str, Any], rules: Any, *, child_method: Any) -> None:
    from allocation.workflow.dosing import dose as one_dose
    from allocation.workflow.dosing import vials_from_text

    format_ = given["--format"] or "table"
    one_of("--format", format_, ("table", "json"))
    result = one_dose(
        sex=given["--sex"],
        age_years=given["--age"],
        height_cm=given["--height-cm"],
        weight_kg=given["--weight-kg"],
        g_per_kg=given["--g-per-kg"],
        days=1 if given["--days"] is None else given["--days"],
        vial_mg=vials_from_text(given["--vials"], product=given["--product"], rules=rules),
        rules=rules,
        child_method=child_method,
    )
    if format_ == "json":
        sys.stdout.write(_as_json(result.as_dict()))
        return
    for step in result.steps:
        sys.stdout.write(step + "\n")
    for warning in result.warnings:
        say(f"igalloc: look again: {warning.text} ({warning.code})")


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"
