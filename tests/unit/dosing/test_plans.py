"""Regimens of both rulebooks as dated courses."""

from __future__ import annotations

import pytest

from allocation.dosing.parameters import load_parameters
from allocation.dosing.plans import course_days, course_mg, entry_schedule, path_of, regimen_phase, stop_rule
from allocation.dosing.schedule import make_schedule
from allocation.errors import InputError
from allocation.rules import load_rulebook

COMMON = (5000, 10000, 20000)
MAN = {"sex": "M", "age_years": 45, "height_cm": 170, "weight_kg": 84, "vial_mg": COMMON}
ALL = [
    pytest.param(book, entry, regimen, id=f"{book}:{entry.key}:{regimen.id}")
    for book in ("nhs", "prairie")
    for entry in load_rulebook(book).entry
    for regimen in entry.regimen
]


def nhs(indication: str, situation: str = ""):
    entry = load_rulebook("nhs").find(indication, situation)
    assert entry is not None
    return entry


def dose_of(regimen) -> int:
    return course_mg(load_rulebook("nhs"), regimen, **MAN)


@pytest.mark.parametrize(("book", "entry", "regimen"), ALL)
def test_every_regimen_becomes_courses(book, entry, regimen) -> None:
    """A year of each, from the tenth week of pregnancy where it goes by pregnancy and with weekly exchanges."""
    age = 0.5 if regimen.age_below_years else 45
    body = MAN if age >= 18 else {**MAN, "age_years": age, "height_cm": 67, "weight_kg": 7.6}
    mg = course_mg(load_rulebook(book), regimen, **body)
    assert (mg > 0) is (regimen.basis != "iu")
    pregnant = regimen.throughout_pregnancy or regimen.gestation_weeks or regimen.weekly_from_gestation_week
    phase = regimen_phase(regimen, mg, gestation_week=10 if pregnant else None, exchange_days=range(0, 70, 7))
    schedule = make_schedule([phase], weeks=52)
    assert schedule.total_mg == mg * len(schedule.courses)
    if regimen.courses_use is not None and not regimen.open_ended and not pregnant:
        in_a_year = [n for n in range(regimen.courses_use) if n * (regimen.interval_weeks_use or 0) < 52]
        assert len(schedule.courses) == len(in_a_year)
    if regimen.open_ended and not pregnant and not regimen.after_each_plasma_exchange:
        weeks = regimen.interval_weeks_use
        assert len(schedule.courses) == -(-52 // weeks)
    if pregnant:
        assert max(course.week for course in schedule.courses) + 10 <= (regimen.until_gestation_week or 40)


def test_cidp_from_induction_to_maintenance() -> None:
    """2 g/kg twice six weeks apart, then 1 g/kg every three weeks: the plan's first choice of initiation."""
    schedule = entry_schedule(path_of(nhs("cidp")), dose_of, weeks=16)
    assert [(course.week, course.mg, course.phase) for course in schedule.courses] == [
        (0, 145_000, "induction"),
        (6, 145_000, "induction"),
        (9, 70_000, "maintenance"),
        (12, 70_000, "maintenance"),
        (15, 70_000, "maintenance"),
    ]


def test_cidp_the_stepwise_way() -> None:
    """2 g/kg, then 1 g/kg three weeks later and three weeks after that, then maintenance."""
    steps = path_of(nhs("cidp"), ids=("stepwise_first", "stepwise_next", "maintenance"))
    schedule = entry_schedule(steps, dose_of, weeks=13)
    assert [(course.week, course.mg) for course in schedule.courses] == [
        (0, 145_000),
        (3, 70_000),
        (6, 70_000),
        (9, 70_000),
        (12, 70_000),
    ]


def test_loading_then_monthly() -> None:
    schedule = entry_schedule(path_of(nhs("cns_inflammatory_disease", "mogad_relapse_prevention")), dose_of, weeks=10)
    assert [(course.week, course.mg, course.phase) for course in schedule.courses] == [
        (0, 145_000, "loading"),
        (4, 70_000, "maintenance"),
        (8, 70_000, "maintenance"),
    ]


@pytest.mark.parametrize(
    ("week", "courses", "first_day"), [(12, 22, 14), (14, 22, 0), (15, 21, 7), (30, 8, 0), (38, 0, None)]
)
def test_liver_disease_of_the_fetus_by_weeks_of_gestation(week, courses, first_day) -> None:
    """Weeks 14, 16, and 18 to 37: 22 courses for who starts in time; weeks that have passed are not made up for."""
    (regimen,) = path_of(nhs("gestational_alloimmune_liver_disease"))
    schedule = make_schedule([regimen_phase(regimen, 60_000, gestation_week=week)], weeks=40)
    assert len(schedule.courses) == courses
    assert not schedule.courses or schedule.courses[0].day == first_day


def test_platelets_of_the_fetus_weekly_from_20_to_37() -> None:
    (regimen,) = path_of(nhs("alloimmune_thrombocytopenia", "fmait"))
    schedule = make_schedule([regimen_phase(regimen, 55_000, gestation_week=20)], weeks=40)
    assert [course.week for course in schedule.courses] == list(range(18))
    assert regimen.courses_use == 18


def test_throughout_pregnancy_ends_at_term() -> None:
    entry = load_rulebook("prairie").find("haemolytic_disease_fetus")
    (regimen,) = path_of(entry)
    schedule = make_schedule([regimen_phase(regimen, 70_000, gestation_week=30)], weeks=52)
    assert len(schedule.courses) == load_parameters().pregnancy.term_weeks - 30 + 1


@pytest.mark.parametrize("entry", ["gestational_alloimmune_liver_disease", "congenital_heart_block_prevention"])
def test_a_schedule_by_gestation_needs_the_week(entry) -> None:
    with pytest.raises(InputError, match="gestation_week"):
        regimen_phase(path_of(nhs(entry))[0], 60_000)


def test_after_each_exchange_until_the_most_in_all() -> None:
    """0.1 g/kg after each exchange, 2 g/kg in all: 20 courses of 7 g for 70 kg in 1 g vials."""
    book = load_rulebook("prairie")
    entry = book.find("solid_organ_transplant", "antibody_mediated_rejection")
    regimens = path_of(entry, ids=("with_plasma_exchange",))
    with pytest.raises(InputError, match="exchange_days"):
        regimen_phase(regimens[0], 7_000)
    with pytest.raises(InputError, match="dosing_kg"):
        stop_rule(book, entry, regimens=regimens)
    stop = stop_rule(book, entry, regimens=regimens, dosing_kg=70.0)
    schedule = entry_schedule(regimens, lambda _: 7_000, weeks=52, exchange_days=range(0, 90, 2), stop=stop)
    assert schedule.total_mg == 140_000
    assert len(schedule.courses) == 20


@pytest.mark.parametrize(
    ("indication", "benefit", "courses"),
    [
        ("gbs", None, 1),
        ("multifocal_motor_neuropathy", None, 7),
        ("multifocal_motor_neuropathy", False, 3),
        ("stiff_person_syndrome", False, 3),
        ("paraneoplastic_neurological_syndrome", False, 2),
        ("anca_vasculitis", False, 3),
    ],
)
def test_stop_rules_of_the_plan(indication, benefit, courses) -> None:
    entry = nhs(indication)
    stop = stop_rule(load_rulebook("nhs"), entry, benefit=benefit)
    schedule = entry_schedule(path_of(entry), dose_of, weeks=30, stop=stop)
    assert len(schedule.courses) == courses
    assert ("no benefit" in schedule.ended_because) is (benefit is False)


def test_stop_rules_name_rows_and_words_that_are_there() -> None:
    """The number stands in words in a regimen of the row, and each row of the data is a row of the rulebook."""
    words = {1: "No second", 2: "two doses", 3: ("three doses", "three months")}
    for stop in load_parameters().stop:
        assert stop.rulebook == load_rulebook("nhs").id
        entry = load_rulebook("nhs").find(*stop.entry.split("/"))
        assert entry is not None, stop.entry
        number = stop.without_benefit_after_courses or stop.most_courses
        said = " ".join(regimen.stop_rule for regimen in entry.regimen)
        asked = words[number]
        assert any(word in said for word in ((asked,) if isinstance(asked, str) else asked)), stop.entry


def test_stop_rules_of_the_prairie_criteria_come_from_their_regimens() -> None:
    book = load_rulebook("prairie")
    judged = [entry for entry in book.entry if any(regimen.cycles_to_judge_high for regimen in entry.regimen)]
    assert judged
    for entry in judged:
        after = stop_rule(book, entry, benefit=False).without_benefit_after
        assert after == min(r.cycles_to_judge_high for r in entry.regimen if r.cycles_to_judge_high)


def test_paths() -> None:
    pid = nhs("pid")
    assert [regimen.id for regimen in path_of(pid)] == ["replacement"]
    assert [regimen.id for regimen in path_of(pid, route="SC")] == ["replacement", "subcutaneous"]
    assert [regimen.id for regimen in path_of(pid, route="SC", started=True)] == ["subcutaneous"]
    assert [regimen.id for regimen in path_of(nhs("gbs"))] == ["course"]
    child = path_of(nhs("itp", "planned_surgery"), age_years=5)
    assert [regimen.id for regimen in child] == ["child_single"]
    with pytest.raises(InputError, match="one of"):
        path_of(pid, ids=("nothing",))
    with pytest.raises(InputError, match="route"):
        path_of(nhs("cidp"), route="SC")


def test_days_of_a_course_as_printed_and_within_the_limit() -> None:
    """Toxic shock: 1, 0.5 and 0.5 g/kg on three days; the rest evenly, over more days where a day would be too much."""
    entry = load_rulebook("prairie").find("toxic_shock_syndrome")
    (printed,) = path_of(entry, ids=("three_days",))

    def amounts(days):
        return [sum(size * count for size, count in day.items()) for day in days]

    assert amounts(course_days(printed, 145_000, COMMON)) == [70_000, 35_000, 40_000]
    course = path_of(nhs("cidp"))[0]
    assert amounts(course_days(course, 145_000, COMMON)) == [75_000, 70_000]
    assert amounts(course_days(course, 145_000, COMMON, max_daily_mg=73_209)) == [50_000, 50_000, 45_000]


def test_a_patient_without_a_dose_is_refused() -> None:
    (regimen,) = path_of(nhs("gbs"))
    with pytest.raises(InputError, match="course"):
        course_mg(load_rulebook("nhs"), regimen, **{**MAN, "height_cm": None})
