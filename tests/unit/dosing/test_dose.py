"""One patient's dose in full."""

from __future__ import annotations

import json

import pytest

from allocation.dosing import dose_patient
from allocation.errors import InputError
from allocation.rules import load_rulebook

COMMON = (5000, 10000, 20000)
MAN = {"sex": "M", "age_years": 45, "height_cm": 170, "weight_kg": 84, "g_per_kg": 2, "days": 5, "vial_mg": COMMON}


def codes(dose) -> list[str]:
    return [warning.code for warning in dose.warnings]


def test_worked_example_of_the_nhs_plan(rulebook) -> None:
    """The plan itself rounds 66.016 to 66 in print; nothing is rounded here before the vials."""
    dose = dose_patient(rulebook(), **MAN)
    assert dose.exact_g == pytest.approx(146.4192, abs=1e-10)
    shown = dose.as_dict()
    assert shown["ideal_weight_kg"] == 66.0
    assert shown["dosing_weight_kg"] == 73.2
    assert shown["exact_g"] == 146.4
    assert shown["course_g"] == 145
    assert shown["daily_g"] == [30, 30, 30, 30, 25]
    assert shown["vials"] == {"20": 5, "10": 4, "5": 1}
    assert shown["warnings"] == []


def test_the_rulebook_that_comes_with_igalloc_gives_the_same() -> None:
    shown = dose_patient(load_rulebook("nhs"), **MAN).as_dict()
    assert (shown["ideal_weight_kg"], shown["dosing_weight_kg"], shown["exact_g"]) == (66.0, 73.2, 146.4)
    assert (shown["course_g"], shown["daily_g"], shown["warnings"]) == (145, [30, 30, 30, 30, 25], [])


def test_a_child_of_four_by_the_table_of_the_rulebook() -> None:
    """Half-way between 14 kg at three years and 18 kg at five."""
    child = {"sex": "F", "age_years": 4, "height_cm": None, "weight_kg": 25, "g_per_kg": 2, "days": 1}
    dose = dose_patient(load_rulebook("nhs"), **child, vial_mg=(2500, 5000, 10000))
    assert (dose.dosing_weight_kg, dose.exact_g, dose.course_mg) == (16.0, 32.0, 30_000)


def test_json_keys_of_the_contract(rulebook) -> None:
    shown = json.loads(json.dumps(dose_patient(rulebook(), **MAN).as_dict(), allow_nan=False))
    assert set(shown) >= {
        "ideal_weight_kg", "dosing_weight_kg", "exact_g", "course_g", "daily_g", "vials", "warnings",
    }  # fmt: skip


def test_steps_show_the_arithmetic(rulebook) -> None:
    steps = " ".join(dose_patient(rulebook(), **MAN).steps)
    for part in (
        "50 + 0.91 x (170 cm - 152.4 cm) = 66.0 kg",
        "0.4 x (84 - 66.0) = 73.2 kg",
        "146.4 g",
        "5, 10 and 20 g",
    ):
        assert part in steps


def test_nearest_rounding_of_the_rulebook_and_its_override(rulebook) -> None:
    man = {**MAN, "weight_kg": 86}  # 148.02 g
    assert dose_patient(rulebook(rounding="nearest"), **man).course_mg == 150_000
    assert dose_patient(rulebook(rounding="nearest"), **man, rounding="down").course_mg == 145_000


def test_child_by_table_without_height(rulebook) -> None:
    dose = dose_patient(
        rulebook(), sex="F", age_years=5.5, height_cm=None, weight_kg=15, g_per_kg=2, days=2, vial_mg=COMMON
    )
    assert dose.dosing_weight_kg == pytest.approx(20.5)
    assert dose.course_mg == 40_000
    assert codes(dose) == ["CHILD", "BELOW_IDEAL"]


def test_child_by_actual_weight_shows_no_ideal_weight(rulebook) -> None:
    dose = dose_patient(
        rulebook(child={"basis": "actual", "mean_weight": ()}), **{**MAN, "age_years": 4, "weight_kg": 17, "days": 1}
    )
    assert dose.as_dict()["ideal_weight_kg"] is None
    assert dose.course_mg == 30_000


def test_course_below_the_smallest_vial_stays_nothing_and_says_so(rulebook) -> None:
    dose = dose_patient(rulebook(), **{**MAN, "g_per_kg": 0.05})
    assert dose.course_mg == 0
    assert dose.vials == {}
    assert dose.daily_mg == (0, 0, 0, 0, 0)
    assert codes(dose) == ["COURSE_BELOW_SMALLEST_VIAL"]


def test_more_days_than_vials(rulebook) -> None:
    dose = dose_patient(rulebook(), **{**MAN, "g_per_kg": 0.2})
    assert dose.daily_mg == (5_000, 5_000, 0, 0, 0)
    assert codes(dose) == ["DAYS_WITHOUT_DOSE"]


def test_usual_daily_maximum(rulebook) -> None:
    assert "DAILY_ABOVE_USUAL_MAXIMUM" in codes(dose_patient(rulebook(max_g_per_kg_per_day=1.0), **{**MAN, "days": 1}))
    assert "DAILY_ABOVE_USUAL_MAXIMUM" not in codes(dose_patient(rulebook(max_g_per_kg_per_day=1.0), **MAN))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"weight_kg": 60}, "BELOW_IDEAL"),
        ({"height_cm": 150}, "HEIGHT_BELOW_FORMULA"),
        ({"height_cm": 90, "weight_kg": 40}, "FORMULA_NOT_USABLE"),
        ({"weight_kg": 120}, "BMI_HIGH"),
    ],
)
def test_warnings_name_code_and_reason(rulebook, change, code) -> None:
    dose = dose_patient(rulebook(adult={"bmi_flag_kg_m2": 30.0}), **{**MAN, **change})
    assert code in codes(dose)
    assert any(text.startswith(f"{code}: ") and text.endswith(".") for text in dose.as_dict()["warnings"])


def test_every_fault_is_told_at_once(rulebook) -> None:
    wrong = {"sex": "X", "age_years": -1, "height_cm": 0, "weight_kg": float("nan"), "g_per_kg": 0, "days": 0}
    with pytest.raises(InputError) as error:
        dose_patient(rulebook(), **{**MAN, **wrong})
    assert [fault.source for fault in error.value.faults] == [
        "--sex", "--age", "--height-cm", "--weight-kg", "--g-per-kg", "--days",
    ]  # fmt: skip


def test_adult_without_height_is_refused(rulebook) -> None:
    with pytest.raises(InputError, match="--height-cm"):
        dose_patient(rulebook(), **{**MAN, "height_cm": None})
