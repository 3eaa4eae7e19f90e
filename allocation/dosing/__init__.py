"""Dosing: weights, regimens, whole vials, schedules. Pure functions on numbers and on NumPy arrays alike."""

from allocation.dosing.days import daily_limit_mg, fewest_days, split_days
from allocation.dosing.dose import Dose, dose_patient
from allocation.dosing.regimens import exact_course_g
from allocation.dosing.schedule import Course, Phase, Schedule, StopRule, make_schedule
from allocation.dosing.vials import fewest_vials, round_to_vials, vials_from_stock
from allocation.dosing.weights import ChildMethod, Weights, WeightWarning, dosing_weights
from allocation.dosing.words import DoseWarning

__all__ = [
    "ChildMethod",
    "Course",
    "Dose",
    "DoseWarning",
    "Phase",
    "Schedule",
    "StopRule",
    "WeightWarning",
    "Weights",
    "daily_limit_mg",
    "dose_patient",
    "dosing_weights",
    "exact_course_g",
    "fewest_days",
    "fewest_vials",
    "make_schedule",
    "round_to_vials",
    "split_days",
    "vials_from_stock",
]
