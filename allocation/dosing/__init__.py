"""Dosing: weights, regimens, whole vials. Pure functions on numbers and on NumPy arrays alike."""

from allocation.dosing.days import split_days
from allocation.dosing.dose import Dose, DoseWarning, dose_patient
from allocation.dosing.regimens import exact_course_g
from allocation.dosing.vials import fewest_vials, round_to_vials, vials_from_stock
from allocation.dosing.weights import Weights, WeightWarning, dosing_weights

__all__ = [
    "Dose",
    "DoseWarning",
    "WeightWarning",
    "Weights",
    "dose_patient",
    "dosing_weights",
    "exact_course_g",
    "fewest_vials",
    "round_to_vials",
    "split_days",
    "vials_from_stock",
]
