"""The rulebook in plain words: a table of all rows, or everything about one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from allocation.errors import Fault, InputError
from allocation.rules.models import Assumption, Band, Entry, PriorApproval, Regimen, Rulebook, Upgrade

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "criteria_table", "describe_entry", "describe_regimen", "find_entry"]

COLUMNS = (
    "code",
    "title",
    "specialty",
    "term",
    "base_grade",
    "highest_grade",
    "upgrades",
    "prior_approval",
    "default_regimen",
    "section",
    "assumptions",
)
"""Columns of :func:`criteria_table`, in order."""

_ROUTES = {"IV": "intravenously", "SC": "subcutaneously", "IM": "intramuscularly"}
_WEIGHTS = {
    "rulebook": "",
    "actual": " of actual weight",
    "booking": " of weight at booking",
    "ideal": " of ideal weight",
}
_CONDITIONS = {
    "ig_dependent": "found dependent on immunoglobulin",
    "ongoing_need_proven": "ongoing need proven",
    "alternatives_exhausted": "alternatives exhausted",
    "plex_unavailable": "plasma exchange unavailable",
    "platelet_refractory": "no response to platelets",
    "bleeding": "bleeding",
    "life_threatening": "life-threatening",
    "acute_emergency": "acute emergency",
    "status_epilepticus": "status epilepticus",
    "transfusion_dependent": "dependent on transfusion",
    "steroid_refractory": "steroids have failed",
    "ifr_approved": "individual funding approved",
    "clinical_trial": "in a clinical trial",
    "annual_review_complete": "annual review complete",
}


def find_entry(rulebook: Rulebook, code: str) -> Entry:
    """The entry of ``indication`` or ``indication/situation``.

    Raises
    ------
    InputError
        Where the code is unknown (the nearest ones are named), or names an indication that is split into
        situations without saying which.
    """
    wanted = code.strip()
    known = {entry.key: entry for entry in rulebook.entry}
    if wanted in known:
        return known[wanted]
    situations = rulebook.situations(wanted)
    if situations:
        choices = ", ".join(f"{wanted}/{situation}" for situation in situations)
        raise InputError(Fault("code", "the situation as well", value=code, remedy=f"One of {choices}."))
    near = _near(wanted.lower(), rulebook)
    remedy = f"Near it: {', '.join(near)}." if near else "All codes: igalloc criteria."
    raise InputError(Fault("code", f"a code of rulebook {rulebook.id}", value=code, remedy=remedy))


def criteria_table(rulebook: Rulebook) -> pd.DataFrame:
    """One row for each indication and situation, in the order of the rulebook's files.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`; grades are whole numbers, all else is text.
    """
    import pandas as pd

    rows = [
        (
            entry.key,
            entry.title,
            entry.specialty,
            entry.term,
            entry.base_grade,
            _highest_grade(entry),
            "; ".join(_upgrade_words(upgrade) for upgrade in entry.upgrade),
            _approval_words(entry.prior_approval),
            _default_words(entry),
            entry.section,
            ", ".join(sorted(_assumption_ids(entry))),
        )
        for entry in rulebook.entry
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def describe_entry(rulebook: Rulebook, code: str) -> dict[str, Any]:
    """Everything the rulebook says about one code, ready for JSON.

    Parameters
    ----------
    rulebook
        The rulebook in use.
    code
        ``indication`` or ``indication/situation``.

    Returns
    -------
    dict
        Text, numbers, lists and dicts only. ``regimens`` carry their figures and, under ``words``, a sentence;
        ``assumptions`` carry their full texts.

    Raises
    ------
    InputError
        Where the code is not in the rulebook.
    """
    entry = find_entry(rulebook, code)
    told = {assumption.id: assumption for assumption in rulebook.assumption}
    return {
        "code": entry.key,
        "indication": entry.indication,
        "situation": entry.situation,
        "title": entry.title,
        "specialty": entry.specialty,
        "term": entry.term,
        "base_grade": entry.base_grade,
        "highest_grade": _highest_grade(entry),
        "upgrades": [
            {**upgrade.model_dump(mode="json"), "words": _upgrade_words(upgrade)} for upgrade in entry.upgrade
        ],
        "prior_approval": {
            **entry.prior_approval.model_dump(mode="json"),
            "words": _approval_words(entry.prior_approval),
        },
        "alternatives": list(entry.alternatives),
        "selection": list(entry.selection),
        "exclusion": list(entry.exclusion),
        "outcome_measures": list(entry.outcome_measures),
        "notes": list(entry.notes),
        "default_regimen": _default_words(entry),
        "regimens": [_regimen_facts(regimen) for regimen in entry.regimen],
        "source": {"rulebook": rulebook.id, "version": rulebook.version, "document": rulebook.document}
        | {"section": entry.section},
        "assumptions": [_assumption_facts(told[name]) for name in sorted(_assumption_ids(entry))],
    }


def describe_regimen(regimen: Regimen) -> str:
    """One regimen in plain words, with its units; where the source prints a range, what is used of it.

    Examples
    --------
    >>> describe_regimen(Regimen(id="gbs", purpose="single", basis="g_per_kg", dose_use=2, days_use=5))
    '2 g/kg over 5 days, intravenously'
    """
    parts = [_amount(regimen) + _days(regimen) + _caps(regimen), _ROUTES[regimen.route], _repeats(regimen)]
    parts.append(_ages(regimen))
    text = ", ".join(part for part in parts if part)
    return f"{text} (when: {regimen.when})" if regimen.when else text


def _near(wanted: str, rulebook: Rulebook) -> list[str]:
    # An indication or a situation given alone must find its rows too, so each word is matched by itself.
    words: dict[str, list[str]] = {}
    for entry in rulebook.entry:
        for word in filter(None, dict.fromkeys((entry.key, entry.indication, entry.situation))):
            words.setdefault(word, []).append(entry.key)
    found = difflib.get_close_matches(wanted.replace("-", "_").replace(" ", "_"), list(words), n=3, cutoff=0.6)
    by_title = [entry.key for entry in rulebook.entry if wanted and wanted in entry.title.lower()]
    return list(dict.fromkeys([*(key for word in found for key in words[word]), *by_title]))[:5]


def _number(value: float) -> str:
    return f"{value:.10g}"


def _range(low: float | None, high: float | None, use: float, unit: str) -> str:
    """``1 to 2 g/kg (1.5 used)``; only what differs is said."""
    if low is None and high is None:
        return f"{_number(use)} {unit}"
    printed = f"up to {_number(high or use)}" if low is None else f"{_number(low)} to {_number(high or use)}"
    if low is not None and low == high:
        printed = _number(low)
    return f"{printed} {unit} ({_number(use)} used)" if (low, high) != (use, use) else f"{printed} {unit}"


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
    if regimen.per == "day":
        return f" a day for {_range(low, high, use, 'days' if (high or use) > 1 else 'day')}"
    return f" over {_range(low, high, use, 'days')}" if (high or use) > 1 else ""


def _caps(regimen: Regimen) -> str:
    caps = ((regimen.cap_g_per_course, "at a time"), (regimen.cap_g_per_week, "a week"))
    said = [f"{_number(cap)} g {of}" for cap, of in caps if cap is not None]
    return f", at most {' and '.join(said)}" if said else ""


def _repeats(regimen: Regimen) -> str:
    gestation = _gestation(regimen)
    if gestation:
        return gestation
    interval = ""
    if regimen.interval_weeks_use is not None:
        low, high, use = regimen.interval_weeks_low, regimen.interval_weeks_high, regimen.interval_weeks_use
        interval = _range(low, high, use, "weeks")
    if regimen.open_ended:
        return f"every {'week' if interval == '1 weeks' else interval} for as long as it helps"
    if (regimen.courses_high or regimen.courses_use or 1) > 1:
        courses = _range(regimen.courses_low, regimen.courses_high, regimen.courses_use or 1, "courses")
        return f"{courses} {interval} apart"
    return ""


def _gestation(regimen: Regimen) -> str:
    said = []
    weeks = [str(week) for week in regimen.gestation_weeks]
    if weeks:
        listed = weeks[0] if len(weeks) == 1 else f"{', '.join(weeks[:-1])} and {weeks[-1]}"
        said.append(f"in {'week' if len(weeks) == 1 else 'weeks'} {listed} of pregnancy")
    if regimen.weekly_from_gestation_week is not None:
        until = "delivery" if regimen.until_gestation_week is None else f"week {regimen.until_gestation_week}"
        said.append(f"weekly from week {regimen.weekly_from_gestation_week} of pregnancy to {until}")
    return " and ".join(said)


def _ages(regimen: Regimen) -> str:
    low, high = regimen.age_from_years, regimen.age_below_years
    said = [f"from {_number(low)}" if low is not None else "", f"below {_number(high)}" if high is not None else ""]
    text = " and ".join(part for part in said if part)
    return f"aged {text} years" if text else ""


def _upgrade_words(upgrade: Upgrade) -> str:
    all_of = " and ".join(_CONDITIONS[name] for name in upgrade.all_of)
    any_of = " or ".join(_CONDITIONS[name] for name in upgrade.any_of)
    joined = " and ".join(part for part in (all_of, f"({any_of})" if all_of and any_of else any_of) if part)
    return f"{upgrade.to} if {joined}"


def _approval_words(approval: PriorApproval) -> str:
    words = {"required": "required", "not_required": "not required", "retrospective": "retrospective"}
    if approval.start == approval.ongoing:
        return words[approval.start]
    return f"{words[approval.start]} at the start, {words[approval.ongoing]} once ongoing"


def _default_words(entry: Entry) -> str:
    start, ongoing = entry.default_regimens("start"), entry.default_regimens("ongoing")
    first = "; ".join(describe_regimen(regimen) for regimen in start)
    if start == ongoing:
        return first
    return f"start: {first}; ongoing: {'; '.join(describe_regimen(regimen) for regimen in ongoing)}"


def _highest_grade(entry: Entry) -> int:
    return max((entry.base_grade, *(upgrade.to for upgrade in entry.upgrade)))


def _assumption_ids(entry: Entry) -> set[str]:
    by_regimen = {regimen.assumption for regimen in entry.regimen}
    by_upgrade = {upgrade.assumption for upgrade in entry.upgrade}
    return {*entry.assumptions, *by_regimen, *by_upgrade} - {""}


def _assumption_facts(assumption: Assumption) -> dict[str, Any]:
    return assumption.model_dump(mode="json")


def _regimen_facts(regimen: Regimen) -> dict[str, Any]:
    facts = regimen.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {"words": describe_regimen(regimen), **facts}
