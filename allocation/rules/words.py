"""One regimen as a sentence, with its units."""

from __future__ import annotations

from allocation.rules.regimen import Band, Regimen

__all__ = ["describe_regimen", "describe_volumes"]

_ROUTES = {"IV": "intravenously", "SC": "subcutaneously", "IM": "intramuscularly", "ORAL": "by mouth"}
_WEIGHTS = {
    "rulebook": "",
    "actual": " of actual weight",
    "booking": " of weight at booking",
    "booking_adjusted": " of dosing weight at booking",
    "ideal": " of ideal weight",
}


def describe_regimen(regimen: Regimen) -> str:
    """One regimen in plain words, with its units; where the source prints a range, what is used of it.

    Examples
    --------
    >>> describe_regimen(Regimen(id="gbs", purpose="single", basis="g_per_kg", dose_use=2, days_use=5))
    '2 g/kg over 5 days, intravenously'
    """
    parts = [_amount(regimen) + _days(regimen) + _caps(regimen), _ROUTES[regimen.route], _repeats(regimen)]
    parts += [_judged(regimen), _weaned(regimen), _ages(regimen)]
    text = ", ".join(part for part in parts if part)
    return f"{text} (when: {regimen.when})" if regimen.when else text


def describe_volumes(regimen: Regimen) -> list[str]:
    """Volume of each brand that makes up the dose, where the source prints a table of them; else empty."""
    unit = "years" if regimen.basis == "g_by_age" else "kg"
    whom = [f" {_band_words(band, unit)}" for band in regimen.bands] or [""]
    return [
        f"{brand.brand}: {'; '.join(f'{_number(ml)} ml{who}' for ml, who in zip(brand.volume_ml, whom, strict=True))}"
        for brand in regimen.product_volume
    ]


def _number(value: float) -> str:
    return f"{value:.10g}"


def _range(low: float | None, high: float | None, use: float, unit: str, *, used: bool = True) -> str:
    """``1 to 2 g/kg (1.5 used)``; only what differs is said."""
    if low is None and high is None:
        return f"{_number(use)} {unit}"
    printed = f"up to {_number(high or use)}" if low is None else f"{_number(low)} to {_number(high or use)}"
    if low is not None and low == high:
        printed = _number(low)
    return f"{printed} {unit} ({_number(use)} used)" if used and (low, high) != (use, use) else f"{printed} {unit}"


def _amount(regimen: Regimen) -> str:
    if regimen.basis in ("g_by_age", "g_by_weight"):
        unit = "years" if regimen.basis == "g_by_age" else "kg"
        return "; ".join(f"{_number(band.dose)} g {_band_words(band, unit)}" for band in regimen.bands)
    unit = {"g_per_kg": "g/kg", "g": "g", "ml_per_kg": "ml/kg", "iu": "IU"}[regimen.basis]
    text = _range(regimen.dose_low, regimen.dose_high, regimen.dose_use or 0.0, unit)
    if regimen.concentration_g_per_ml is not None:
        text += f" of a {_number(regimen.concentration_g_per_ml * 100)} % product"
    if regimen.basis == "iu":
        text += " of a specific immunoglobulin"
    return text + (_WEIGHTS[regimen.weight_basis] if regimen.basis in ("g_per_kg", "ml_per_kg") else "")


def _band_words(band: Band, unit: str) -> str:
    if band.below is None:
        return f"from {_number(band.from_)} {unit}"
    if band.from_ == 0:
        return f"below {_number(band.below)} {'year' if unit == 'years' and band.below == 1 else unit}"
    return f"from {_number(band.from_)} to below {_number(band.below)} {unit}"


def _days(regimen: Regimen) -> str:
    low, high, use = regimen.days_low, regimen.days_high, regimen.days_use
    if regimen.hours_high is not None:
        return f" over {_range(regimen.hours_low, regimen.hours_high, regimen.hours_high, 'hours', used=False)}"
    if regimen.per == "dose":
        often = f" {_number(regimen.doses_per_day)} times a day" if regimen.doses_per_day > 1 else " a day"
        return f"{often} for {_range(low, high, use, 'days' if (high or use) > 1 else 'day')}"
    if regimen.per == "day":
        return f" a day for {_range(low, high, use, 'days' if (high or use) > 1 else 'day')}"
    each = f" ({_listed([_number(dose) for dose in regimen.doses_by_day])})" if regimen.doses_by_day else ""
    return f" over {_range(low, high, use, 'days')}{each}" if (high or use) > 1 else ""


def _caps(regimen: Regimen) -> str:
    caps = (
        (regimen.cap_g_per_course, "g at a time"),
        (regimen.cap_g_per_day, "g a day"),
        (regimen.cap_g_per_week, "g a week"),
        (regimen.max_g_per_kg_per_day, "g/kg a day"),
        (regimen.max_g_per_kg_per_4_weeks, "g/kg in four weeks"),
        (regimen.max_g_per_kg_in_all, "g/kg in all"),
    )
    said = [f"{_number(cap)} {of}" for cap, of in caps if cap is not None]
    return f", at most {_listed(said)}" if said else ""


def _repeats(regimen: Regimen) -> str:
    if regimen.after_each_plasma_exchange:
        return "after each plasma exchange"
    gestation = _gestation(regimen)
    if gestation:
        return gestation
    interval = ""
    if regimen.interval_weeks_use is not None:
        low, high, use = regimen.interval_weeks_low, regimen.interval_weeks_high, regimen.interval_weeks_use
        interval = _range(low, high, use, "weeks")
    if regimen.open_ended:
        until = "throughout pregnancy" if regimen.throughout_pregnancy else "for as long as it helps"
        return f"every {'week' if interval == '1 weeks' else interval} {until}"
    if (regimen.courses_high or regimen.courses_use or 1) > 1:
        courses = _range(regimen.courses_low, regimen.courses_high, regimen.courses_use or 1, "courses")
        return f"{courses} {interval} apart"
    return ""


def _gestation(regimen: Regimen) -> str:
    said = []
    weeks = [str(week) for week in regimen.gestation_weeks]
    if weeks:
        said.append(f"in {'week' if len(weeks) == 1 else 'weeks'} {_listed(weeks)} of pregnancy")
    if regimen.weekly_from_gestation_week is not None:
        until = "delivery" if regimen.until_gestation_week is None else f"week {regimen.until_gestation_week}"
        said.append(f"weekly from week {regimen.weekly_from_gestation_week} of pregnancy to {until}")
    return " and ".join(said)


def _judged(regimen: Regimen) -> str:
    times = (
        (regimen.months_to_judge_low, regimen.months_to_judge_high, "months"),
        (regimen.cycles_to_judge_low, regimen.cycles_to_judge_high, "courses"),
    )
    said = [_range(low, high, high, unit, used=False) for low, high, unit in times if high is not None]
    return f"judged after {' or '.join(said)}" if said else ""


def _weaned(regimen: Regimen) -> str:
    words = {"dose": "lower", "interval": "further apart"}
    return f"once stable {' or '.join(words[way] for way in regimen.weaning)}" if regimen.weaning else ""


def _ages(regimen: Regimen) -> str:
    low, high = regimen.age_from_years, regimen.age_below_years
    said = [f"from {_number(low)}" if low is not None else "", f"below {_number(high)}" if high is not None else ""]
    text = " and ".join(part for part in said if part)
    return f"aged {text} years" if text else ""


def _listed(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
