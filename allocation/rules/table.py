"""The rulebook in plain words: a table of all rows, or everything about one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from allocation.errors import Fault, InputError
from allocation.rules.models import Assumption, Entry, PriorApproval, Regimen, Rulebook, Upgrade, evidence_words
from allocation.rules.pathway import PATHWAY_FACTS, PanelRule
from allocation.rules.words import describe_regimen, describe_volumes

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ASSUMPTION_COLUMNS",
    "CATEGORY_COLUMNS",
    "CATEGORY_WORDS",
    "COLUMNS",
    "PATHWAY_COLUMNS",
    "STRENGTH_WORDS",
    "assumptions_table",
    "columns_of",
    "criteria_table",
    "describe_entry",
    "describe_general",
    "describe_regimen",
    "find_entry",
    "pathway_table",
]

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
    "effective_from",
    "effective_until",
)
"""Columns of :func:`criteria_table` for a rulebook of grades, in order."""

CATEGORY_COLUMNS = (
    "code",
    "title",
    "specialty",
    "category",
    "strength",
    "term",
    "regimens",
    "evidence",
    "see",
    "section",
    "assumptions",
    "effective_from",
    "effective_until",
)
"""Columns of :func:`criteria_table` for a rulebook of categories, in order."""

ASSUMPTION_COLUMNS = ("id", "kind", "title", "open_point", "ruling", "entries", "codes", "confidence")
"""Columns of :func:`assumptions_table`, in order."""

PATHWAY_COLUMNS = ("rule", "status", "when", "meaning", "section", "assumption")
"""Columns of :func:`pathway_table`, in order."""

CATEGORY_WORDS = {"do": "do", "do_not_know": "do not know", "do_not_do": "do not do"}
STRENGTH_WORDS = {
    "recommended": "recommended",
    "may_be_considered": "may be considered",
    "insufficient_evidence": "insufficient evidence",
    "discouraged": "generally discouraged",
    "not_recommended": "not recommended",
}
_NO_REGIMEN = {
    "dose_not_established": "no dose: the evidence is insufficient",
    "dose_of_another_entry": "dosed as in the entries it refers to",
    "none_printed": "no dose is printed",
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
    """The entry of ``indication`` or ``indication/situation``; of several dated ones the newest.

    Raises
    ------
    InputError
        Where the code is unknown (the nearest ones are named), or names an indication that is split into
        situations without saying which.
    """
    wanted = code.strip()
    found = rulebook.find(*wanted.split("/", 1))
    if found is not None:
        return found
    situations = rulebook.situations(wanted)
    if situations:
        choices = ", ".join(f"{wanted}/{situation}" for situation in situations)
        raise InputError(Fault("code", "the situation as well", value=code, remedy=f"One of {choices}."))
    near = _near(wanted.lower(), rulebook)
    remedy = f"Near it: {', '.join(near)}." if near else "All codes: igalloc criteria."
    raise InputError(Fault("code", f"a code of rulebook {rulebook.id}", value=code, remedy=remedy))


def columns_of(rulebook: Rulebook) -> tuple[str, ...]:
    """Columns of the criteria table of a rulebook, by its kind."""
    return COLUMNS if rulebook.kind == "grades" else CATEGORY_COLUMNS


def criteria_table(rulebook: Rulebook) -> pd.DataFrame:
    """One row for each entry, in the order of the rulebook's files: one for each indication and situation, and date.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS` or :data:`CATEGORY_COLUMNS`; grades are whole numbers, all else is text.
    """
    import pandas as pd

    columns = columns_of(rulebook)
    row = _graded_row if rulebook.kind == "grades" else _category_row
    return pd.DataFrame([row(entry) for entry in rulebook.entry], columns=list(columns))


def assumptions_table(rulebook: Rulebook, more: Iterable[Assumption] = ()) -> pd.DataFrame:
    """Everything the document leaves open or contradicts, with how it was ruled: one row each.

    Parameters
    ----------
    rulebook
        Whose assumptions to list, those of its narrowed entries and those that touch no single entry alike.
    more
        Assumptions that stand elsewhere, the crosswalk's for example; they come last.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`ASSUMPTION_COLUMNS`, conflicts of the source first, then by id. ``kind`` is in plain words,
        ``entries`` the number of entries touched and ``codes`` which, in the order of the rulebook; ``confidence`` is
        the code of what a ruling rests on, P for a proposal of ours.
    """
    import pandas as pd

    touched: dict[str, list[str]] = {}
    for entry in rulebook.entry:
        for name in entry.assumption_ids:
            touched.setdefault(name, []).append(entry.key)

    def row(assumption: Assumption) -> tuple[str | int, ...]:
        codes = touched.get(assumption.id, [])
        kind = assumption.kind.replace("_", " ")
        told = (assumption.title, assumption.open_point, assumption.ruling)
        return (assumption.id, kind, *told, len(codes), ", ".join(codes), assumption.confidence)

    own = sorted(rulebook.assumption, key=lambda found: (found.kind != "source_conflict", found.id))
    return pd.DataFrame([row(found) for found in (*own, *more)], columns=list(ASSUMPTION_COLUMNS))


def pathway_table(rulebook: Rulebook) -> pd.DataFrame:
    """The panel's pathway, one row a rule in the order in which they are tried; empty where there is none.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`PATHWAY_COLUMNS`; ``rule`` is a whole number, all else is text.
    """
    import pandas as pd

    def conditions(rule: PanelRule) -> str:
        asked: dict[str, tuple[str, ...]] = {fact: getattr(rule, fact) for fact in PATHWAY_FACTS}
        told = [f"{fact} is {' or '.join(values)}" for fact, values in asked.items() if values]
        return "; ".join(told).replace("_", " ") or "all others"

    rows = [
        (place, rule.status, conditions(rule), rule.meaning, rule.section, rule.assumption)
        for place, rule in enumerate(rulebook.panel_rule, start=1)
    ]
    return pd.DataFrame(rows, columns=list(PATHWAY_COLUMNS))


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
        ``assumptions`` carry their full texts, ``evidence`` the meaning of its codes.

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
        "also_called": list(entry.also_called),
        "includes": list(entry.includes),
        "specialty": entry.specialty,
        "term": entry.term or "",
        **_dates(entry),
        "other_dates": [_dates(other) for other in rulebook.dated(entry.key) if other is not entry],
        **(_grade_facts(entry) if rulebook.kind == "grades" else _category_facts(entry, rulebook)),
        "alternatives": list(entry.alternatives),
        "selection": list(entry.selection),
        "exclusion": list(entry.exclusion),
        "outcome_measures": list(entry.outcome_measures),
        "harms": list(entry.harms),
        "notes": list(entry.notes),
        "see": list(entry.see),
        **({"default_regimen": _default_words(entry)} if entry.regimen else {}),
        "regimens": [_regimen_facts(regimen) for regimen in entry.regimen],
        "source": {"rulebook": rulebook.id, "version": rulebook.version, "document": rulebook.document}
        | {"section": entry.section},
        "assumptions": [_assumption_facts(told[name]) for name in entry.assumption_ids],
    }


def describe_general(rulebook: Rulebook) -> dict[str, Any]:
    """The general statements of a rulebook, ready for JSON; empty where it has none."""
    return {} if rulebook.general is None else rulebook.general.model_dump(mode="json")


def _graded_row(entry: Entry) -> tuple[Any, ...]:
    base_grade, approval = entry.graded
    return (
        entry.key,
        entry.title,
        entry.specialty,
        entry.term,
        base_grade,
        _highest_grade(entry),
        "; ".join(_upgrade_words(upgrade) for upgrade in entry.upgrade),
        _approval_words(approval),
        _default_words(entry),
        entry.section,
        ", ".join(entry.assumption_ids),
        *_dates(entry).values(),
    )


def _category_row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.key,
        entry.title,
        entry.specialty,
        CATEGORY_WORDS[entry.category or ""],
        STRENGTH_WORDS[entry.strength or ""],
        entry.term or "",
        "; ".join(describe_regimen(regimen) for regimen in entry.regimen)
        or _NO_REGIMEN.get(entry.no_regimen_because or "", ""),
        "; ".join(entry.evidence),
        ", ".join(entry.see),
        entry.section,
        ", ".join(entry.assumption_ids),
        *_dates(entry).values(),
    )


def _grade_facts(entry: Entry) -> dict[str, Any]:
    base_grade, approval = entry.graded
    return {
        "base_grade": base_grade,
        "highest_grade": _highest_grade(entry),
        "upgrades": [
            {**upgrade.model_dump(mode="json"), "words": _upgrade_words(upgrade)} for upgrade in entry.upgrade
        ],
        "prior_approval": {**approval.model_dump(mode="json"), "words": _approval_words(approval)},
    }


def _category_facts(entry: Entry, rulebook: Rulebook) -> dict[str, Any]:
    return {
        "category": {"code": entry.category, "words": CATEGORY_WORDS[entry.category or ""]},
        "strength": {"code": entry.strength, "words": STRENGTH_WORDS[entry.strength or ""]},
        "evidence": [
            {"code": text, "words": {word: rulebook.evidence_code[word] for word in evidence_words(text)}}
            for text in entry.evidence
        ],
        "revision": entry.revision,
        "review": list(entry.review),
        "review_first_by_months": entry.review_first_by_months,
        "review_every_months": entry.review_every_months,
        "no_regimen_because": _NO_REGIMEN.get(entry.no_regimen_because or "", ""),
    }


def _near(wanted: str, rulebook: Rulebook) -> list[str]:
    # An indication or a situation given alone must find its rows too, so each word is matched by itself.
    words: dict[str, list[str]] = {}
    for entry in rulebook.entry:
        for word in filter(None, dict.fromkeys((entry.key, entry.indication, entry.situation))):
            words.setdefault(word, []).append(entry.key)
    found = difflib.get_close_matches(wanted.replace("-", "_").replace(" ", "_"), list(words), n=3, cutoff=0.6)
    by_title = [entry.key for entry in rulebook.entry if wanted and any(wanted in name for name in _names(entry))]
    sent_on = [
        code
        for reference in rulebook.cross_reference
        if wanted and any(wanted in name.lower() for name in (reference.name, *reference.includes))
        for code in reference.see
    ]
    return list(dict.fromkeys([*(key for word in found for key in words[word]), *by_title, *sent_on]))[:5]


def _names(entry: Entry) -> list[str]:
    return [name.lower() for name in (entry.title, *entry.also_called, *entry.includes)]


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
    if not start or not ongoing:
        return "; ".join(describe_regimen(regimen) for regimen in start or ongoing)
    first = "; ".join(describe_regimen(regimen) for regimen in start)
    if start == ongoing:
        return first
    return f"start: {first}; ongoing: {'; '.join(describe_regimen(regimen) for regimen in ongoing)}"


def _dates(entry: Entry) -> dict[str, str]:
    """First and last day of an entry as ISO text, blank where it has none."""
    days = {"effective_from": entry.effective_from, "effective_until": entry.effective_until}
    return {name: day.isoformat() if day else "" for name, day in days.items()}


def _highest_grade(entry: Entry) -> int:
    base_grade, _ = entry.graded
    return max((base_grade, *(upgrade.to for upgrade in entry.upgrade)))


def _assumption_facts(assumption: Assumption) -> dict[str, Any]:
    return assumption.model_dump(mode="json")


def _regimen_facts(regimen: Regimen) -> dict[str, Any]:
    facts = regimen.model_dump(mode="json", by_alias=True, exclude_unset=True)
    volumes = {"volumes": describe_volumes(regimen)} if regimen.product_volume else {}
    return {"words": describe_regimen(regimen), **volumes, **facts}
