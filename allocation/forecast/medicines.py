"""From the published name and unit of a medicine to grams of human normal immunoglobulin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from allocation.forecast.settings import Group, Medicines

__all__ = ["Kind", "Preparation", "group_of", "kind_of", "preparation"]

Kind = Literal["normal", "specific", "unknown", "other"]

_NUMBER = r"(\d[\d,]*(?:\.\d+)?)"
_MASS_IN_VOLUME = re.compile(rf"{_NUMBER}\s*(g|grams?|mg|milligrams?)\s*/\s*(?:{_NUMBER}\s*)?(ml|l)\b", re.IGNORECASE)
_PERCENT = re.compile(rf"{_NUMBER}\s*%", re.IGNORECASE)
_MASS = re.compile(rf"{_NUMBER}\s*(g|grams?|mg|milligrams?)\b(?!\s*/)", re.IGNORECASE)
_CONTAINER = re.compile(rf"{_NUMBER}\s*ml\s+(?:[a-z-]+\s+){{0,2}}?(?:vial|bottle|ampoule|bag|syringe)", re.IGNORECASE)
_MG_PER_G = 1000.0
_ML_PER_L = 1000.0
_PER_CENT_ML = 100.0


@dataclass(frozen=True, slots=True)
class Preparation:
    """Strength of a medicine.

    Attributes
    ----------
    grams_per_container
        Grams in one vial or bottle; None where the name does not say.
    grams_per_ml
        Concentration; None for a powder.
    """

    grams_per_container: float | None
    grams_per_ml: float | None

    def grams_in(self, unit: str, medicines: Medicines) -> float | None:
        """Grams in one unit of measure; None where name and unit do not settle it."""
        name = unit.strip().lower()
        forms = (name, name.removesuffix("s"))
        for form in forms:
            if form in medicines.container_units:
                return self.grams_per_container
            if form in medicines.ml_in_unit:
                return None if self.grams_per_ml is None else self.grams_per_ml * medicines.ml_in_unit[form]
            if form in medicines.grams_in_unit:
                return medicines.grams_in_unit[form]
        return None


def kind_of(name: str, medicines: Medicines) -> Kind:
    """Whether a medicine is human normal immunoglobulin, a specific one, neither for sure, or something else.

    >>> from allocation.forecast.settings import load_settings
    >>> kind_of("Normal immunoglobulin human 8g/40ml solution for infusion vials", load_settings().medicines)
    'normal'
    """
    if not _matches(medicines.immunoglobulin, name):
        return "other"
    if any(_matches(pattern, name) for pattern in medicines.specific):
        return "specific"
    return "normal" if any(_matches(pattern, name) for pattern in medicines.normal) else "unknown"


def preparation(name: str) -> Preparation:
    """Strength as the name states it: ``8g/40ml``, ``100mg/ml``, ``10%`` or ``5g`` (a powder).

    >>> preparation("Normal immunoglobulin human 8g/40ml solution for infusion vials")
    Preparation(grams_per_container=8.0, grams_per_ml=0.2)
    """
    volume = _CONTAINER.search(name)
    container_ml = _number(volume[1]) if volume else None
    if found := _MASS_IN_VOLUME.search(name):
        grams = _number(found[1]) / (_MG_PER_G if found[2].lower().startswith("m") else 1)
        scale = _ML_PER_L if found[4].lower() == "l" else 1
        # "per ml" is a concentration and says nothing of the vial; "per 40 ml" names the vial's own volume.
        stated_ml = _number(found[3]) * scale if found[3] else None
        per_ml = grams / (stated_ml or scale) if stated_ml != 0 else None
        if container_ml is None and stated_ml is not None and stated_ml > 1:
            container_ml = stated_ml
    elif found := _PERCENT.search(name):
        per_ml = _number(found[1]) / _PER_CENT_ML
    elif found := _MASS.search(name):
        grams = _number(found[1]) / (_MG_PER_G if found[2].lower().startswith("m") else 1)
        return Preparation(grams, None)
    else:
        return Preparation(None, None)
    # Rounded to whole milligrams, since 5 g / 50 ml x 50 ml must be 5 g again.
    container = None if container_ml is None or per_ml is None else round(per_ml * container_ml, 3)
    return Preparation(container, per_ml)


def group_of(name: str, strength: Preparation, groups: tuple[Group, ...]) -> str:
    """Product group of a medicine: the first whose rule holds."""
    for group in groups:
        bound = group.concentration_from_g_per_ml
        if not group.pattern and bound is None:
            return group.name
        if group.pattern and _matches(group.pattern, name):
            return group.name
        # A 16 % solution divides to a little less than 0.16 in floating point.
        if bound is not None and strength.grams_per_ml is not None and strength.grams_per_ml >= bound - 1e-9:
            return group.name
    return groups[-1].name


@lru_cache(maxsize=4096)
def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _number(text: str) -> float:
    return float(text.replace(",", ""))
