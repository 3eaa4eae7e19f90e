"""The NHS rulebook against the plan: every row, grade, approval and dose written out a second time.

The tables below were written from the document, not from the data. Whoever changes one reads the document again.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from allocation.errors import InputError
from allocation.resources import package_data
from allocation.rules import CONDITIONS, Entry, Regimen, load_rulebook

RULEBOOK = load_rulebook("nhs")
KEYS = [entry.key for entry in RULEBOOK.entry]
REGIMENS = [
    pytest.param(entry, regimen, id=f"{entry.key}:{regimen.id}")
    for entry in RULEBOOK.entry
    for regimen in entry.regimen
]

R, D, AE = "annual_review_complete", "ig_dependent", "alternatives_exhausted"
PLEX = "plex_unavailable"

# code: base grade; upgrades as (grade, all of, any of); approval at the start; approval once ongoing; term.
# y required, n not required, r retrospective.
CRITERIA: dict[str, tuple[int, list[tuple[int, set[str], set[str]]], str, str, str]] = {
    # immunology
    "hsct_pid": (2, [(3, {R}, set())], "n", "n", "long"),
    "pid": (2, [(3, {R}, set())], "n", "n", "long"),
    "specific_antibody_deficiency": (1, [(2, {"ongoing_need_proven"}, set())], "y", "y", "long"),
    "secondary_antibody_deficiency": (2, [(3, {R}, set())], "y", "y", "long"),
    "thymoma_immunodeficiency": (2, [(3, {R}, set())], "n", "n", "long"),
    # haematology
    "parvovirus_red_cell_aplasia": (2, [(3, {R}, set())], "y", "y", "short"),
    "alloimmune_thrombocytopenia/fmait": (4, [], "y", "y", "short"),
    "alloimmune_thrombocytopenia/nait": (3, [(4, {"platelet_refractory"}, set())], "n", "n", "short"),
    "autoimmune_haemolytic_anaemia": (2, [(3, {R, AE}, set())], "n", "y", "short"),
    "coagulation_factor_inhibitors/emergency": (4, [], "r", "r", "short"),
    "coagulation_factor_inhibitors/elective_surgery": (3, [], "y", "y", "short"),
    "haemolytic_disease_newborn": (4, [], "n", "n", "short"),
    "hlh": (3, [(4, set(), {"acute_emergency", AE})], "y", "y", "short"),
    "itp/life_threatening_or_emergency_surgery": (4, [], "n", "y", "short"),
    "itp/planned_surgery": (2, [(3, {R}, set())], "n", "y", "short"),
    "itp/pregnancy": (3, [(4, {"bleeding"}, set())], "n", "y", "short"),
    "itp/vitt": (3, [(4, {"bleeding"}, set())], "n", "n", "short"),
    "post_transfusion_hyperhaemolysis/acute": (3, [(4, {"life_threatening"}, set())], "n", "n", "short"),
    "post_transfusion_hyperhaemolysis/prevention": (
        3,
        [(4, {"transfusion_dependent", "steroid_refractory"}, set())],
        "n",
        "n",
        "short",
    ),
    "post_transfusion_hyperhaemolysis/prevention_delayed_reaction": (
        3,
        [(4, {"transfusion_dependent", "steroid_refractory"}, set())],
        "n",
        "n",
        "short",
    ),
    "post_transfusion_purpura": (4, [], "n", "n", "short"),
    # neurology
    "autoimmune_dysautonomia": (2, [(3, {PLEX}, set())], "y", "y", "either"),
    "autoimmune_encephalitis/antibody_positive": (3, [(4, {PLEX}, set())], "y", "y", "either"),
    "autoimmune_encephalitis/antibody_negative": (3, [(4, {PLEX}, set())], "y", "y", "either"),
    "cidp": (2, [(3, {R, D}, set())], "n", "y", "long"),
    "gbs": (3, [(4, {PLEX}, set())], "n", "n", "short"),
    "igm_paraprotein_neuropathy": (2, [(3, {R, D}, set())], "y", "y", "long"),
    "inflammatory_myopathy": (2, [(3, {R}, set()), (4, {"life_threatening"}, set())], "y", "y", "either"),
    "opsoclonus_myoclonus": (1, [(2, {AE}, set())], "y", "y", "either"),
    "paraneoplastic_neurological_syndrome": (1, [(2, {AE}, set())], "y", "y", "either"),
    "myasthenia_gravis/long_term": (2, [(3, {R, D}, set())], "y", "y", "long"),
    "myasthenia_gravis/crisis": (3, [(4, set(), {PLEX, AE})], "n", "n", "short"),
    "multifocal_motor_neuropathy": (2, [(3, {R, D}, set())], "n", "y", "long"),
    "neuromyotonia": (1, [(2, {AE}, set())], "y", "y", "either"),
    "cns_inflammatory_disease/acute": (3, [(4, {PLEX}, set())], "n", "n", "short"),
    "cns_inflammatory_disease/mogad_relapse_prevention": (2, [(3, {PLEX}, set())], "y", "y", "long"),
    "cns_inflammatory_disease/aqp4_nmosd": (2, [(3, {AE}, set())], "y", "y", "long"),
    "cns_inflammatory_disease/antibody_negative": (2, [(3, {AE}, set())], "y", "y", "long"),
    "rasmussen_encephalitis": (3, [(4, {"status_epilepticus"}, set())], "y", "y", "either"),
    "stiff_person_syndrome": (2, [(3, {R, D}, set())], "y", "y", "long"),
    # infectious diseases
    "hepatitis_a": (4, [], "y", "y", "short"),
    "measles/immunosuppressed": (4, [], "y", "y", "short"),
    "measles/pregnant_or_infant": (4, [], "y", "y", "short"),
    "polio": (4, [], "y", "y", "short"),
    "clostridioides_difficile": (1, [], "y", "y", "short"),
    "toxic_shock_syndrome": (4, [], "r", "r", "short"),
    "tetanus/suspected_case": (4, [], "n", "n", "short"),
    "tetanus/prone_injury": (4, [], "n", "n", "short"),
    "varicella_zoster": (4, [], "y", "y", "short"),
    "viral_pneumonitis_post_transplant": (1, [], "y", "y", "short"),
    # other
    "gestational_alloimmune_liver_disease": (4, [], "y", "y", "short"),
    "anca_vasculitis": (1, [(2, {AE}, set())], "y", "y", "either"),
    "autoimmune_uveitis": (1, [], "y", "y", "short"),
    "catastrophic_antiphospholipid_syndrome": (3, [(4, set(), {PLEX, AE})], "y", "y", "short"),
    "immunobullous_disease": (1, [], "y", "y", "long"),
    "kawasaki_or_pims_ts": (4, [], "n", "n", "short"),
    "congenital_heart_block_prevention": (1, [], "y", "y", "short"),
    "solid_organ_transplant/antibody_incompatible": (4, [], "n", "n", "short"),
    "solid_organ_transplant/antibody_mediated_rejection": (4, [], "n", "n", "short"),
}

# Grams a kg of one course, number of courses ("on" without end) and weeks between them, as used at the start and once
# ongoing; None where an entry has no regimen of its own for it. Fixed amounts have a test of their own.
DOSES: dict[str, tuple[tuple[float, int | str, float | None], tuple[float, int | str, float | None] | None]] = {
    "hsct_pid": ((0.4, "on", 4), (0.4, "on", 4)),
    "pid": ((0.4, "on", 4), (0.4, "on", 4)),
    "specific_antibody_deficiency": ((0.5, 9, 4), (0.4, "on", 4)),
    "secondary_antibody_deficiency": ((0.4, "on", 4), (0.4, "on", 4)),
    "thymoma_immunodeficiency": ((0.4, "on", 4), (0.4, "on", 4)),
    "parvovirus_red_cell_aplasia": ((1.1, 1, None), None),
    "alloimmune_thrombocytopenia/fmait": ((0.75, 18, 1), None),
    "alloimmune_thrombocytopenia/nait": ((1.0, 1, None), None),
    "autoimmune_haemolytic_anaemia": ((1.5, 1, None), None),
    "coagulation_factor_inhibitors/emergency": ((2.0, 1, None), None),
    "coagulation_factor_inhibitors/elective_surgery": ((2.0, 1, None), None),
    "haemolytic_disease_newborn": ((1.0, 1, None), None),
    "hlh": ((2.0, 1, None), None),
    "itp/life_threatening_or_emergency_surgery": ((1.0, 1, None), None),
    "itp/planned_surgery": ((1.0, 1, None), None),
    "itp/pregnancy": ((1.0, 1, None), None),
    "itp/vitt": ((1.0, 1, None), None),
    "post_transfusion_hyperhaemolysis/acute": ((2.0, 1, None), None),
    "post_transfusion_hyperhaemolysis/prevention": ((1.5, 1, None), None),
    "post_transfusion_hyperhaemolysis/prevention_delayed_reaction": ((1.5, 1, None), None),
    "post_transfusion_purpura": ((1.5, 1, None), None),
    "autoimmune_dysautonomia": ((2.0, 2, 6), (0.4, "on", 5)),
    "autoimmune_encephalitis/antibody_positive": ((2.0, 2, 4), (0.5, "on", 4)),
    "autoimmune_encephalitis/antibody_negative": ((2.0, 2, 4), (0.5, "on", 4)),
    "cidp": ((2.0, 2, 6), (1.0, "on", 3)),
    "gbs": ((2.0, 1, None), None),
    "igm_paraprotein_neuropathy": ((2.0, 2, 6), (2.0, "on", 4)),
    "inflammatory_myopathy": ((2.0, 2, 6), (2.0, "on", 4)),
    "opsoclonus_myoclonus": ((2.0, 2, 6), (0.4, "on", 5)),
    "paraneoplastic_neurological_syndrome": ((2.0, 2, 6), (0.5, "on", 4)),
    "myasthenia_gravis/long_term": ((0.4, "on", 5), (0.4, "on", 5)),
    "myasthenia_gravis/crisis": ((1.0, 1, None), None),
    "multifocal_motor_neuropathy": ((2.0, 2, 6), (1.0, "on", 4)),
    "neuromyotonia": ((2.0, 2, 6), (0.4, "on", 5)),
    "cns_inflammatory_disease/acute": ((2.0, 1, None), None),
    "cns_inflammatory_disease/mogad_relapse_prevention": ((2.0, 1, None), (1.0, "on", 4)),
    "cns_inflammatory_disease/aqp4_nmosd": ((1.0, "on", 4), (1.0, "on", 4)),
    "cns_inflammatory_disease/antibody_negative": ((2.0, 1, None), (1.0, "on", 4)),
    "rasmussen_encephalitis": ((2.0, 3, 4), (1.0, "on", 4)),
    "stiff_person_syndrome": ((2.0, 2, 6), (1.0, "on", 4)),
    "measles/immunosuppressed": ((0.15, 1, None), None),
    "clostridioides_difficile": ((0.4, 1, None), None),
    "toxic_shock_syndrome": ((1.0, 1, None), None),
    "varicella_zoster": ((0.2, 1, None), None),
    "viral_pneumonitis_post_transplant": ((1.5, 1, None), None),
    "gestational_alloimmune_liver_disease": ((1.0, 22, None), None),
    "anca_vasculitis": ((2.0, 3, 4), (2.0, "on", 4)),
    "autoimmune_uveitis": ((1.25, 2, 7), None),
    "catastrophic_antiphospholipid_syndrome": ((2.0, 1, None), None),
    "immunobullous_disease": ((1.5, 1, None), (1.0, "on", 4)),
    "kawasaki_or_pims_ts": ((2.0, 1, None), None),
    "congenital_heart_block_prevention": ((1.0, 2, 4), None),
    "solid_organ_transplant/antibody_incompatible": ((2.0, 1, None), None),
    "solid_organ_transplant/antibody_mediated_rejection": ((2.0, 1, None), None),
}

FIXED = {"hepatitis_a", "measles/pregnant_or_infant", "polio", "tetanus/suspected_case", "tetanus/prone_injury"}

# Rulings that touch no single row: unlisted indications, trials, the note on body mass index, the table of children's
# weights, the date of effect, the panel's pathways.
GENERAL = {"N08", "N09", "N31", "N33", "N37", "N38", "N39"}

# Least and most dose of each basis: g/kg of a course, grams, ml/kg, units.
BOUNDS = {"g_per_kg": (0.1, 2.0), "g": (1.0, 3.0), "ml_per_kg": (0.6, 0.6), "iu": (250, 500)}
BAND_BOUNDS = {"g_by_age": (0.25, 1.0), "g_by_weight": (20.0, 40.0)}


def entry_of(key: str) -> Entry:
    indication, _, situation = key.partition("/")
    found = RULEBOOK.find(indication, situation)
    assert found is not None
    return found


def test_every_code_of_the_contract_stands_exactly_once_and_no_other() -> None:
    assert sorted(KEYS) == sorted(CRITERIA)
    assert len(KEYS) == 59


@pytest.mark.parametrize("key", CRITERIA)
def test_grades_approval_and_term_are_those_of_the_plan(key: str) -> None:
    base, upgrades, start, ongoing, term = CRITERIA[key]
    entry = entry_of(key)
    approval = {"y": "required", "n": "not_required", "r": "retrospective"}
    assert entry.base_grade == base
    assert [(u.to, set(u.all_of), set(u.any_of)) for u in entry.upgrade] == upgrades
    assert (entry.prior_approval.start, entry.prior_approval.ongoing) == (approval[start], approval[ongoing])
    assert entry.term == term


@pytest.mark.parametrize("entry", RULEBOOK.entry, ids=KEYS)
def test_an_entry_says_where_it_stands_and_tells_the_facts(entry: Entry) -> None:
    table = {"infectious_diseases": "Infectious diseases", "other": "Other indications"}
    name = table.get(entry.specialty, entry.specialty.capitalize())
    assert entry.section.startswith(f"{name} table: ")
    assert entry.title
    assert entry.selection
    facts = (*entry.alternatives, *entry.selection, *entry.exclusion, *entry.outcome_measures, *entry.notes)
    assert all(fact == fact.strip() and len(fact) < 260 for fact in facts)
    for upgrade in entry.upgrade:
        assert set(upgrade.all_of) | set(upgrade.any_of) <= set(CONDITIONS)
        assert upgrade.reason


@pytest.mark.parametrize("key", DOSES)
def test_doses_used_without_a_record_are_those_of_the_documents(key: str) -> None:
    def figures(regimen: Regimen) -> tuple[float, int | str, float | None]:
        assert regimen.basis == "g_per_kg"
        grams = (regimen.dose_use or 0) * (regimen.days_use if regimen.per == "day" else 1)
        return grams, "on" if regimen.open_ended else regimen.courses_use or 0, regimen.interval_weeks_use

    start, ongoing = DOSES[key]
    entry = entry_of(key)
    assert figures(entry.default_regimen("start")) == start
    has_ongoing = any("ongoing" in regimen.default_for for regimen in entry.regimen)
    assert (figures(entry.default_regimen("ongoing")) if has_ongoing else None) == ongoing


def test_every_entry_has_its_dose_checked() -> None:
    assert set(DOSES) | FIXED == set(CRITERIA)
    assert not set(DOSES) & FIXED


def test_fixed_amounts_are_those_printed() -> None:
    def bands(key: str) -> list[tuple[float, float | None, float]]:
        return [(band.from_, band.below, band.dose) for band in entry_of(key).default_regimen("start").bands]

    assert bands("hepatitis_a") == [(0, 10, 0.5), (10, None, 1.0)]
    assert bands("polio") == [(0, 1, 0.25), (1, 3, 0.5), (3, None, 0.75)]
    assert bands("tetanus/suspected_case") == [(0, 50, 20), (50, None, 40)]
    measles = entry_of("measles/pregnant_or_infant")
    pregnant, infant = measles.default_regimen("start", 30), measles.default_regimen("start", 0.5)
    assert (pregnant.basis, pregnant.dose_use, pregnant.route) == ("g", 3.0, "IM")
    assert (infant.basis, infant.dose_use, infant.concentration_g_per_ml) == ("ml_per_kg", 0.6, 0.16)
    assert infant.cap_g_per_course == 1.0
    assert measles.default_regimen("start", 0.75) is pregnant
    injury = entry_of("tetanus/prone_injury")
    assert [r.dose_use for r in injury.regimen if r.basis == "iu"] == [250, 500]
    # 400 ml of a 5 % product carry 5000 IU in the plan's table.
    assert injury.default_regimen("start").dose_use == pytest.approx(400 * 0.05 * 250 / 5000)


def test_pregnancy_schedules_are_those_printed() -> None:
    gald = entry_of("gestational_alloimmune_liver_disease").default_regimen("start")
    assert (gald.gestation_weeks, gald.weekly_from_gestation_week, gald.until_gestation_week) == ((14, 16), 18, 37)
    assert (gald.cap_g_per_week, gald.weight_basis) == (60, "booking")
    assert gald.courses_use == 2 + (37 - 18 + 1)
    assert entry_of("congenital_heart_block_prevention").default_regimen("start").gestation_weeks == (14, 18)
    weekly = {r.id: r for r in entry_of("alloimmune_thrombocytopenia/fmait").regimen}
    first = {name: (r.weekly_from_gestation_week, r.dose_low or r.dose_use, r.dose_use) for name, r in weekly.items()}
    assert first == {
        "low_risk_weekly": (20, 0.5, 0.75),
        "high_risk_late_bleed_weekly": (12, 1.0, 1.0),
        "high_risk_early_bleed_weekly": (12, 2.0, 2.0),
    }
    for regimen in weekly.values():
        assert regimen.courses_use == 37 - (regimen.weekly_from_gestation_week or 0) + 1


def test_children_with_itp_have_a_dose_of_their_own() -> None:
    for situation in ("life_threatening_or_emergency_surgery", "planned_surgery"):
        entry = entry_of(f"itp/{situation}")
        assert entry.default_regimen("start", 17.9).dose_use == 0.9
        assert entry.default_regimen("start", 18.0).dose_use == 1.0


@pytest.mark.parametrize(("entry", "regimen"), REGIMENS)
def test_numbers_of_a_regimen_lie_within_reason(entry: Entry, regimen: Regimen) -> None:
    if regimen.bands:
        low, high = BAND_BOUNDS[regimen.basis]
        assert all(low <= band.dose <= high for band in regimen.bands)
        assert regimen.bands[0].from_ == 0
        assert regimen.bands[-1].below is None
    else:
        low, high = BOUNDS[regimen.basis]
        days = regimen.days_use if regimen.per == "day" else 1
        assert all(
            low <= dose * days <= high for dose in (regimen.dose_low, regimen.dose_high, regimen.dose_use) if dose
        )
    assert 1 <= regimen.days_use <= 12
    assert regimen.interval_weeks_use is None or 1 <= regimen.interval_weeks_use <= 7
    assert 1 <= (regimen.courses_use or 1) <= 26
    assert all(12 <= week <= 38 for week in regimen.gestation_weeks)
    assert regimen.route == "IV" or regimen.basis != "g_per_kg" or (regimen.dose_use or 0) <= 0.15
    if regimen.purpose == "repeat":
        assert regimen.when, "a dose that depends on something says on what"
        assert not regimen.default_for
        assert "N16" in entry.assumptions or regimen.assumption == "N29"


@pytest.mark.parametrize(("entry", "regimen"), REGIMENS)
def test_figures_used_inside_a_range_keep_to_the_rulings(entry: Entry, regimen: Regimen) -> None:
    low, high, use = regimen.dose_low, regimen.dose_high, regimen.dose_use
    maintained = regimen.purpose == "maintenance"
    if low is not None and high is not None:
        assert use == (low if maintained else pytest.approx((low + high) / 2))
        assert "N10" in entry.assumptions or regimen.assumption == "N17"
    elif high is not None:
        assert use == (high / 2 if maintained else high)
        assert "N10" in entry.assumptions
    if regimen.days_low is not None and regimen.days_high is not None:
        fewest = max(regimen.days_low, math.ceil(use or 0))
        middle = (regimen.days_low + regimen.days_high) // 2
        assert regimen.days_use == (middle if regimen.per == "day" else fewest)
        assert "N11" in entry.assumptions
    if regimen.basis == "g_per_kg" and regimen.per == "course" and entry.key != "kawasaki_or_pims_ts":
        assert (use or 0) / regimen.days_use <= 1, "more than 1 g/kg a day only where one infusion is printed"
    for name in ("interval_weeks", "courses"):
        low, high = getattr(regimen, f"{name}_low"), getattr(regimen, f"{name}_high")
        if low is not None and high is not None:
            assert getattr(regimen, f"{name}_use") == (low + high) // 2
            assert {"N12", "N28", "N16"} & set(entry.assumptions)


@pytest.mark.parametrize(("entry", "regimen"), REGIMENS)
def test_what_comes_from_the_prairie_criteria_says_so(entry: Entry, regimen: Regimen) -> None:
    if regimen.source is None:
        return
    assert regimen.source.document == "Prairie criteria 2022"
    assert regimen.source.section.startswith("Section ")
    assert regimen.assumption in {"N05", "N13", "N14", "N16", "N17", "N27"}
    assert regimen.assumption in entry.assumptions


def test_the_conflicting_dose_is_kept_and_never_used() -> None:
    entry = entry_of("haemolytic_disease_newborn")
    printed = next(regimen for regimen in entry.regimen if regimen.id == "as_printed")
    assert (printed.dose_use, printed.days_low, printed.days_high, printed.default_for) == (2.0, 2, 5, ())
    conflict = next(a for a in RULEBOOK.assumption if a.id == "N05")
    assert conflict.kind == "source_conflict"


def test_every_assumption_is_used_and_every_one_used_is_known() -> None:
    ids = [assumption.id for assumption in RULEBOOK.assumption]
    assert len(ids) == len(set(ids))
    used = {name for entry in RULEBOOK.entry for name in entry.assumptions}
    for entry in RULEBOOK.entry:
        named = {*(r.assumption for r in entry.regimen), *(u.assumption for u in entry.upgrade)} - {""}
        assert named <= set(entry.assumptions), entry.key
    assert set(ids) == used | GENERAL
    assert not used & GENERAL


@pytest.mark.parametrize("key", CRITERIA)
def test_a_score_that_hangs_on_the_review_names_the_rulings_on_it(key: str) -> None:
    entry = entry_of(key)
    hangs = any(R in upgrade.all_of for upgrade in entry.upgrade)
    assert ("N06" in entry.assumptions) == hangs
    assert ("N07" in entry.assumptions) == (hangs and entry.term != "short")


def test_settings_and_weights_are_those_of_the_plan() -> None:
    settings, dosing = RULEBOOK.settings, RULEBOOK.dosing
    assert (settings.review_valid_days, settings.first_year_counts_if_approved, settings.initiation_weeks) == (
        365,
        True,
        8,
    )
    adult, child = dosing.adult, dosing.child
    assert (adult.base_kg_male, adult.base_kg_female, adult.slope_kg_per_cm) == (50, 45.5, 0.91)
    assert (adult.reference_height_cm, adult.adjustment_fraction, dosing.rounding) == (152.4, 0.4, "down")
    assert (child.basis, child.below_age_years, child.source.confidence) == ("ideal", 18, "M")
    for sex in ("M", "F"):
        rows = [row for row in child.mean_weight if row.sex in ("", sex)]
        assert len({row.age_years for row in rows}) == len(rows)
        for name in ("age_years", "weight_kg", "height_cm"):
            values = [getattr(row, name) for row in rows]
            assert values == sorted(values)
        assert (rows[0].age_years, rows[-1].age_years) == (0, child.below_age_years)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A rulebook of one's own to spoil."""
    folder = tmp_path / "own"
    shutil.copytree(package_data("rules", "data", "nhs_2021"), folder)
    return folder


def refusal(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_rulebook(str(folder))
    return caught.value


def test_an_unknown_key_is_refused_with_its_file_and_entry(copy: Path) -> None:
    path = copy / "neurology.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("base_grade = 2", "base_grad = 2", 1), encoding="utf-8")
    faults = {fault.column: fault for fault in refusal(copy).faults}
    assert set(faults) == {"autoimmune_dysautonomia.base_grade", "autoimmune_dysautonomia.base_grad"}
    wrong = faults["autoimmune_dysautonomia.base_grad"]
    assert (wrong.source, wrong.expected) == (str(path), "no such key")


def test_an_unknown_key_of_the_head_is_refused_with_its_file(copy: Path) -> None:
    path = copy / "rulebook.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("review_valid_days", "review_days"), encoding="utf-8")
    faults = refusal(copy).faults
    assert {fault.source for fault in faults} == {str(path)}
    assert {fault.column for fault in faults} == {"settings.review_valid_days", "settings.review_days"}


def test_a_key_given_twice_is_refused_with_its_file_and_line(copy: Path) -> None:
    path = copy / "other.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("base_grade = 4\n", "base_grade = 4\nbase_grade = 3\n", 1), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index("base_grade = 3") + 1
    (fault,) = refusal(copy).faults
    assert fault.source == str(path)
    assert f"line {line}" in fault.remedy


def test_a_missing_file_is_refused_by_name(copy: Path) -> None:
    (copy / "rulebook.toml").unlink()
    (fault,) = refusal(copy).faults
    assert (fault.source, fault.value) == ("--rulebook", str(copy))
    assert "rulebook.toml" in fault.expected


def test_a_code_given_twice_is_refused(copy: Path) -> None:
    path = copy / "other.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"anca_vasculitis"', '"autoimmune_uveitis"'), encoding="utf-8")
    assert "autoimmune_uveitis" in str(refusal(copy))


def test_an_assumption_that_does_not_exist_is_refused(copy: Path) -> None:
    path = copy / "other.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('assumption = "N22"', 'assumption = "N99"'), encoding="utf-8")
    assert "autoimmune_uveitis names unknown assumption N99" in str(refusal(copy))
