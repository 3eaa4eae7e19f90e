"""The Prairie criteria against the document: ``tests/cases/prairie_contents.toml`` has every line, wording and dose."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allocation.dosing import dosing_weights
from allocation.dosing.vials import round_to_vials
from allocation.rules import Entry, Regimen, load_rulebook
from allocation.rules.models import evidence_words

RULEBOOK = load_rulebook("prairie")
KEYS = [entry.key for entry in RULEBOOK.entry]
REGIMENS = [
    pytest.param(entry, regimen, id=f"{entry.key}:{regimen.id}")
    for entry in RULEBOOK.entry
    for regimen in entry.regimen
]
CASES = Path(__file__).parents[1] / "cases" / "prairie_contents.toml"
LINES: list[dict[str, Any]] = tomllib.loads(CASES.read_text(encoding="utf-8"))["line"]
CODES: dict[str, dict[str, Any]] = {code["code"]: code for line in LINES for code in line.get("code", [])}

SYMBOLS = {"✓": "do", "?": "do_not_know", "×": "do_not_do"}
WORDINGS = {
    "is recommended": "recommended",
    "may be considered": "may_be_considered",
    "only, discouraged": "discouraged",
    "evidence insufficient": "insufficient_evidence",
    "is not recommended": "not_recommended",
}
SPECIALTIES = {
    2: "dermatology",
    3: "haematology",
    4: "immunology",
    5: "infectious_diseases",
    6: "transplant",
    7: "neurology",
    8: "rheumatology",
    9: "other",
}
# Rulings that touch no single row: date of effect, whose weight is adjusted, short adults, the age of adults.
GENERAL = {"P02", "P04", "P05", "P06"}

# Least and most dose of each basis: g/kg of a course (of a day times its days), ml/kg, grams.
BOUNDS = {"g_per_kg": (0.1, 5.0), "ml_per_kg": (0.1, 0.5), "g": (0.025, 0.045)}
# Text that prints one infusion, above the usual maximum for a day.
ONE_INFUSION = {
    "toxic_epidermal_necrolysis",
    "toxic_shock_syndrome",
    "kawasaki_disease_child",
    "macrophage_activation_syndrome",
    "mis_c",
}


def entry_of(key: str) -> Entry:
    indication, _, situation = key.partition("/")
    found = RULEBOOK.find(indication, situation)
    assert found is not None
    return found


def span(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if low == high:
        return f"{low:g}"
    return f"{'' if low is None else f'{low:g}'}-{'' if high is None else f'{high:g}'}"


def notation(regimen: Regimen) -> str:
    """A regimen as the table of printed doses writes it."""
    assert regimen.dose_use is not None
    unit = {"g_per_kg": "", "ml_per_kg": "ml/kg", "g": "g"}[regimen.basis]
    days = span(regimen.days_low, regimen.days_high) or (f"{regimen.days_use}" if regimen.days_use > 1 else "")
    if regimen.doses_by_day:
        days = ""
    interval = span(regimen.interval_weeks_low, regimen.interval_weeks_high)
    courses = span(regimen.courses_low, regimen.courses_high)
    if not courses and not regimen.open_ended and (regimen.courses_use or 1) > 1:
        courses = f"{regimen.courses_use}"
    parts = [
        (span(regimen.dose_low, regimen.dose_high) or f"{regimen.dose_use:g}")
        + unit
        + {"course": "", "day": "/day", "dose": f"/dose{regimen.doses_per_day}"}[regimen.per],
        regimen.route if regimen.route != "IV" else "",
        regimen.weight_basis if regimen.weight_basis != "rulebook" else "",
        f"d{days}" if days else "",
        "by" + "+".join(f"{dose:g}" for dose in regimen.doses_by_day) if regimen.doses_by_day else "",
        f"h{span(regimen.hours_low, regimen.hours_high)}" if regimen.hours_high else "",
        *(
            f"{name}{value:g}"
            for name, value in (
                ("cap", regimen.cap_g_per_course),
                ("capday", regimen.cap_g_per_day),
                ("capweek", regimen.cap_g_per_week),
                ("max", regimen.max_g_per_kg_per_day),
                ("max4:", regimen.max_g_per_kg_per_4_weeks),
                ("maxall", regimen.max_g_per_kg_in_all),
            )
            if value is not None
        ),
        f"w{interval or f'{regimen.interval_weeks_use:g}'}" if regimen.interval_weeks_use else "",
        "plex" if regimen.after_each_plasma_exchange else "",
        "on" if regimen.open_ended else "",
        f"x{courses}" if courses else "",
        "preg" if regimen.throughout_pregnancy else "",
        f"gest{','.join(str(week) for week in regimen.gestation_weeks)}" if regimen.gestation_weeks else "",
        f"from{regimen.weekly_from_gestation_week}" if regimen.weekly_from_gestation_week else "",
        f"to{regimen.until_gestation_week}" if regimen.until_gestation_week else "",
        f"wean:{'+'.join(regimen.weaning)}" if regimen.weaning else "",
        f"m{span(regimen.months_to_judge_low, regimen.months_to_judge_high)}" if regimen.months_to_judge_high else "",
        f"c{span(regimen.cycles_to_judge_low, regimen.cycles_to_judge_high)}" if regimen.cycles_to_judge_high else "",
    ]
    return " ".join(part for part in parts if part)


def test_every_line_of_the_contents_became_codes_and_no_other_code_stands() -> None:
    assert sorted(KEYS) == sorted(CODES)
    assert len(CODES) == sum(len(line.get("code", [])) for line in LINES)
    assert len(LINES) == len({line["name"] for line in LINES})


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["name"])
def test_a_line_of_the_contents_has_its_codes_and_categories(line: dict[str, Any]) -> None:
    heading = f"Section {line['chapter']}: {line['name']}"
    if not line["symbols"]:
        assert [each.name for each in RULEBOOK.cross_reference if each.section.startswith(heading)]
        assert "code" not in line
        return
    assert set(line["symbols"].split("/")) == {code["symbol"] for code in line["code"]}
    for code in line["code"]:
        entry = entry_of(code["code"])
        assert entry.category == SYMBOLS[code["symbol"]]
        assert entry.specialty == SPECIALTIES[line["chapter"]]
        assert entry.section.startswith(heading)
        assert re.search(r", pages? \d+(-\d+)?$", entry.section)


@pytest.mark.parametrize("key", CODES)
def test_doses_are_those_printed(key: str) -> None:
    ours = [sorted(notation(regimen).split()) for regimen in entry_of(key).regimen]
    assert ours == [sorted(text.split()) for text in CODES[key].get("doses", [])]


@pytest.mark.parametrize("key", CODES)
def test_wording_and_evidence_are_those_printed(key: str) -> None:
    entry = entry_of(key)
    assert entry.strength == WORDINGS[CODES[key]["wording"]]
    assert "; ".join(entry.evidence) == CODES[key]["evidence"]


@pytest.mark.parametrize("key", CODES)
def test_what_is_new_or_changed_says_so(key: str) -> None:
    revision, edition = entry_of(key).revision, CODES[key].get("edition", "")
    assert bool(revision) == bool(edition)
    assert (revision == "New in the second edition.") == (edition == "new")
    assert (revision == "Do not know in the first edition.") == (edition == "was ?")


@pytest.mark.parametrize("entry", RULEBOOK.entry, ids=KEYS)
def test_an_entry_tells_its_facts(entry: Entry) -> None:
    facts = (
        *entry.alternatives,
        *entry.selection,
        *entry.exclusion,
        *entry.outcome_measures,
        *entry.review,
        *entry.harms,
        *entry.notes,
    )
    assert all(fact and fact == fact.strip() and len(fact) < 300 for fact in facts)
    assert len(set(facts)) == len(facts)
    assert entry.base_grade is None
    if entry.category != "do_not_do" and entry.strength != "insufficient_evidence":
        assert entry.selection or entry.notes
    assert entry.review or entry.review_first_by_months is None


@pytest.mark.parametrize("key", CODES)
def test_months_of_review_are_six_and_twelve_unless_others_are_printed(key: str) -> None:
    entry = entry_of(key)
    ours = [months for months in (entry.review_first_by_months, entry.review_every_months) if months is not None]
    assert ours == CODES[key].get("review", [6, 12] if ours else [])


@pytest.mark.parametrize(("entry", "regimen"), REGIMENS)
def test_numbers_of_a_regimen_lie_within_reason(entry: Entry, regimen: Regimen) -> None:
    low, high = BOUNDS[regimen.basis]
    days = (regimen.days_high or regimen.days_use) if regimen.per == "day" else 1
    assert all(low <= dose * days <= high for dose in (regimen.dose_low, regimen.dose_high, regimen.dose_use) if dose)
    if regimen.basis == "g_per_kg":
        assert (regimen.dose_use or 0) * (regimen.days_use if regimen.per == "day" else 1) <= 3
    assert 1 <= regimen.days_use <= 5
    assert regimen.interval_weeks_use is None or 1 <= regimen.interval_weeks_use <= 6
    assert 1 <= (regimen.courses_use or 1) <= 22
    assert all(12 <= week <= 38 for week in regimen.gestation_weeks)
    assert (regimen.basis == "ml_per_kg") == (regimen.route == "IM")
    assert regimen.route != "SC" or (regimen.dose_use or 0) <= 0.15
    assert all(1 <= months <= 6 for months in (regimen.months_to_judge_low, regimen.months_to_judge_high) if months)
    assert all(1 <= cycles <= 6 for cycles in (regimen.cycles_to_judge_low, regimen.cycles_to_judge_high) if cycles)
    if regimen.purpose == "repeat":
        assert regimen.when, "a dose that depends on something says on what"
        assert not regimen.default_for
        assert "P14" in entry.assumptions
    if regimen.open_ended and regimen.purpose in ("trial", "maintenance") and not regimen.weekly_from_gestation_week:
        assert "P16" in entry.assumptions


@pytest.mark.parametrize(("entry", "regimen"), REGIMENS)
def test_figures_used_inside_a_range_keep_to_the_rulings(entry: Entry, regimen: Regimen) -> None:
    low, high, use = regimen.dose_low, regimen.dose_high, regimen.dose_use or 0.0
    if low is not None and high is not None:
        lowest = regimen.purpose == "maintenance" and regimen.assumption != "P24"
        assert use == (low if lowest else pytest.approx((low + high) / 2))
        assert "P10" in entry.assumptions
    elif high is not None:
        assert use == (high / 2 if regimen.purpose == "maintenance" else high)
        assert "P10" in entry.assumptions
    if regimen.days_low is not None and regimen.days_high is not None and regimen.per == "course":
        assert regimen.days_use == max(regimen.days_low, math.ceil(use - 1e-9))
        assert "P11" in entry.assumptions
    if regimen.basis == "g_per_kg" and regimen.per == "course" and entry.key not in ONE_INFUSION:
        assert use / regimen.days_use <= 1, "more than 1 g/kg a day only where one infusion is printed"
    for name in ("interval_weeks", "courses"):
        low, high = getattr(regimen, f"{name}_low"), getattr(regimen, f"{name}_high")
        if low is not None and high is not None:
            assert getattr(regimen, f"{name}_use") == (low + high) // 2
            assert "P12" in entry.assumptions


def test_entries_without_a_dose_say_why() -> None:
    without = {entry.key: entry.no_regimen_because for entry in RULEBOOK.entry if not entry.regimen}
    assert {key for key, why in without.items() if why is None} == {
        entry.key for entry in RULEBOOK.entry if entry.category == "do_not_do"
    }
    assert without["thrombotic_thrombocytopenic_purpura"] == "dose_not_established"
    assert without["necrotising_fasciitis"] == "dose_not_established"
    assert without["hlh/hypogammaglobulinaemia"] == "dose_of_another_entry"
    assert without["itp_adult/lupus_associated"] == "dose_of_another_entry"


def test_every_assumption_is_used_and_every_one_used_is_known() -> None:
    ids = [assumption.id for assumption in RULEBOOK.assumption]
    assert len(ids) == len(set(ids))
    used = {name for entry in RULEBOOK.entry for name in entry.assumptions}
    for entry in RULEBOOK.entry:
        assert {regimen.assumption for regimen in entry.regimen} - {""} <= set(entry.assumptions), entry.key
    assert set(ids) == used | GENERAL
    assert not used & GENERAL


def test_all_29_seed_guidelines_and_every_design_are_explained() -> None:
    codes = RULEBOOK.evidence_code
    assert {f"G{number}" for number in range(1, 30)} <= set(codes)
    assert {"SR", "qSR", "RCT", "NRCS", "CS", "G", "NR", "CR", "EO", "GDG"} <= set(codes)
    assert all(set(evidence_words(text)) <= set(codes) for entry in RULEBOOK.entry for text in entry.evidence)


def test_names_that_only_send_the_reader_elsewhere_are_kept() -> None:
    sent = {reference.name: reference for reference in RULEBOOK.cross_reference}
    assert set(sent["Evans syndrome"].see) == {"autoimmune_haemolytic_anaemia", "itp_adult", "itp_child"}
    named = sent["Primary immunodeficiencies listed by name in the index"]
    assert named.see == ("pid",)
    assert len(named.includes) == 4


def test_general_statements_have_the_figures_of_the_document() -> None:
    general = RULEBOOK.general
    assert general is not None
    most = general.maximum_dose
    assert (most.usual_g_per_kg_per_day, most.exceptional_g_per_kg_per_day) == (1, 2)
    assert (most.single_infusion_g_per_kg, most.single_infusion_replaces_g_per_kg) == (1.6, 2)
    assert most.single_infusion_replaces_days == 2
    assert RULEBOOK.dosing.max_g_per_kg_per_day == most.usual_g_per_kg_per_day
    assert general.pregnancy.immunodeficiency_check_every_months == 1
    follow = general.follow_up
    assert (follow.first_from_months, follow.first_to_months) == (3, 4)
    assert (follow.first_at_latest_months, follow.then_every_months) == (6, 12)
    dose, interval = general.weaning.by_dose, general.weaning.by_interval
    assert (dose.cut_low, dose.cut_high, dose.round_down_to_g) == (0.2, 0.3, 5)
    assert (dose.hold_months_low, dose.hold_months_high, dose.stop_below_g_per_kg_per_month) == (4, 6, 0.5)
    assert (interval.interval_weeks, interval.hold_months) == ((6, 8, 10, 12), 6)
    assert interval.stop_after_longest_intervals == 2


def test_weights_and_rounding_are_those_of_the_document() -> None:
    dosing = RULEBOOK.dosing
    adult, child = dosing.adult, dosing.child
    assert dosing.rounding == "nearest"
    assert (adult.base_kg_male, adult.base_kg_female, adult.adjustment_fraction) == (50, 45.5, 0.4)
    assert (adult.slope_kg_per_inch, adult.slope_kg_per_cm) == (2.3, None)
    assert adult.reference_height_cm == pytest.approx(5 * 12 * 2.54)
    assert (child.basis, child.below_age_years) == ("actual", 18)


@pytest.mark.parametrize(
    ("sex", "height_cm", "weight_kg", "ideal_kg", "dosing_kg"),
    [
        # The Australian National Blood Authority's formula in inches, which is the same.
        ("M", 175, 100, 70.465, 82.279),
        ("F", 160, 90, 52.382, 67.429),
        ("M", 180, 120, 74.992, 92.995),
        # Five feet is the base weight; below the ideal weight the actual one is used.
        ("M", 152.4, 80, 50.0, 62.0),
        ("F", 152.4, 45, 45.5, 45.0),
    ],
)
def test_dosing_weights_by_the_formula_in_inches(
    sex: str, height_cm: float, weight_kg: float, ideal_kg: float, dosing_kg: float
) -> None:
    weights = dosing_weights(RULEBOOK.dosing, sex=sex, age_years=40, height_cm=height_cm, weight_kg=weight_kg)
    assert weights.ideal_kg[0] == pytest.approx(ideal_kg, abs=0.0005)
    assert weights.dosing_kg[0] == pytest.approx(dosing_kg, abs=0.0005)


def test_children_are_dosed_by_actual_weight_and_courses_rounded_to_the_nearest_vial() -> None:
    weights = dosing_weights(
        RULEBOOK.dosing,
        sex=["F", "M"],
        age_years=[9.0, 0.1],
        height_cm=[130.0, np.nan],
        weight_kg=[44.0, 4.2],
    )
    assert weights.dosing_kg.tolist() == [44.0, 4.2]
    # A man of 175 cm and 100 kg at 2 g/kg: 164.56 g, nearer to 165 than to 160.
    assert round_to_vials(np.array([164.56]), (5000, 10000, 20000), RULEBOOK.dosing.rounding).tolist() == [165000]
