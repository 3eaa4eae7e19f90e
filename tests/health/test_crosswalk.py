"""The NHS rows beside the Prairie entries: every row mapped, every code there, and where the two differ.

``DIFFER`` and ``NO_ENTRY`` were written from the two documents, not from the data.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from allocation.errors import InputError
from allocation.resources import package_data
from allocation.rules import load_rulebook
from allocation.rules.crosswalk import (
    COLUMNS,
    Crosswalk,
    Mapping,
    check_crosswalk,
    crosswalk_table,
    describe_second_opinion,
    load_crosswalk,
    second_opinion,
)
from allocation.rules.load import parse
from allocation.rules.table import CATEGORY_WORDS, describe_regimen, find_entry
from allocation.workflow.criteria import assumptions, criterion
from allocation.workflow.rules_in_use import load_rules

NHS = load_rulebook("nhs")
PRAIRIE = load_rulebook("prairie")
CROSSWALK = load_crosswalk()
TABLE = crosswalk_table(NHS, PRAIRIE, CROSSWALK)
BY_ROW = {mapping.nhs: mapping for mapping in CROSSWALK.mapping}

# Rows that differ, with words that their note must have.
DIFFER = {
    "coagulation_factor_inhibitors/emergency": "advises against",
    "coagulation_factor_inhibitors/elective_surgery": "advises against",
    "hlh": "advises against",
    "post_transfusion_hyperhaemolysis/acute": "too little evidence",
    "clostridioides_difficile": "advises against",
    "viral_pneumonitis_post_transplant": "advises against",
    "cns_inflammatory_disease/acute": "optic neuritis",
    "rasmussen_encephalitis": "too little evidence",
}
NO_ENTRY = {
    "post_transfusion_hyperhaemolysis/prevention",
    "post_transfusion_hyperhaemolysis/prevention_delayed_reaction",
    "polio",
    "tetanus/suspected_case",
    "tetanus/prone_injury",
    "autoimmune_dysautonomia",
    "neuromyotonia",
}
# Rows that agree, with entries on a part of their patients that do not.
DIFFER_IN_PART = {
    "varicella_zoster": {"varicella_zoster/specific_immunoglobulin_available"},
    "myasthenia_gravis/long_term": {"myasthenia_gravis/mild_adult", "myasthenia_gravis/ocular"},
    "myasthenia_gravis/crisis": {"myasthenia_gravis/juvenile"},
    "cns_inflammatory_disease/antibody_negative": {"acute_optic_neuritis"},
    "solid_organ_transplant/antibody_mediated_rejection": {"solid_organ_transplant/kidney_t_cell_rejection"},
}
# The most favourable category of the entries that cover the row, where it is not do.
OPINIONS = {
    "autoimmune_haemolytic_anaemia": "do_not_know",
    "coagulation_factor_inhibitors/emergency": "do_not_do",
    "coagulation_factor_inhibitors/elective_surgery": "do_not_do",
    "hlh": "do_not_know",
    "post_transfusion_hyperhaemolysis/acute": "do_not_know",
    "clostridioides_difficile": "do_not_do",
    "viral_pneumonitis_post_transplant": "do_not_know",
    "paraneoplastic_neurological_syndrome": "do_not_know",
    "cns_inflammatory_disease/aqp4_nmosd": "do_not_know",
    "rasmussen_encephalitis": "do_not_know",
    "autoimmune_uveitis": "do_not_know",
    "congenital_heart_block_prevention": "do_not_know",
}


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "nhs": "a",
        "prairie": "b",
        "version": "1",
        "differ": {"do": [], "do_not_know": [3, 4], "do_not_do": [1, 2, 3, 4]},
        "mapping": [{"nhs": "gbs", "prairie": ["gbs"]}],
        **changes,
    }


def entries_in(folder: str) -> dict[str, dict[str, Any]]:
    """Entries as they stand in the files, past every model of ours."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(package_data("rules", "data", folder).glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("entry", []):
            found["/".join(filter(None, (entry["indication"], entry.get("situation", ""))))] = entry
    return found


def test_every_nhs_row_is_mapped_once_and_every_prairie_code_is_there() -> None:
    rows = [entry.key for entry in NHS.entry]
    assert len(rows) == 59
    assert sorted(BY_ROW) == sorted(rows)
    assert len(CROSSWALK.mapping) == len(rows)
    codes = {entry.key for entry in PRAIRIE.entry}
    assert {code for mapping in CROSSWALK.mapping for code in mapping.every_entry} <= codes
    assert (CROSSWALK.nhs, CROSSWALK.prairie) == (NHS.id, PRAIRIE.id)
    check_crosswalk(CROSSWALK, nhs=NHS, prairie=PRAIRIE)


def test_the_rows_that_differ_and_those_without_an_entry_are_these() -> None:
    verdicts = dict(zip(TABLE["code"], TABLE["row_agreement"], strict=True))
    assert {code for code, verdict in verdicts.items() if verdict == "differ"} == set(DIFFER)
    assert {code for code, verdict in verdicts.items() if verdict == "no_entry"} == NO_ENTRY
    pairs = TABLE[(TABLE["agreement"] == "differ") & (TABLE["row_agreement"] == "agree")]
    in_part = {code: set(rows["prairie_code"]) for code, rows in pairs.groupby("code")}
    assert in_part == DIFFER_IN_PART
    assert set(pairs["covers"]) == {"part"}


def test_coagulation_factor_inhibitors_and_c_difficile_differ_as_the_documents_say() -> None:
    grades = {"coagulation_factor_inhibitors/emergency": 4, "coagulation_factor_inhibitors/elective_surgery": 3}
    for code, grade in {**grades, "clostridioides_difficile": 1}.items():
        (row,) = TABLE[TABLE["code"] == code].to_dict(orient="records")
        assert (row["base_grade"], row["category"], row["agreement"]) == (grade, "do not do", "differ")


def test_agreement_recomputed_from_the_files_is_the_same() -> None:
    nhs, prairie = entries_in("nhs_2021"), entries_in("prairie_2022")
    text = package_data("rules", "data", "crosswalk.toml").read_text(encoding="utf-8")
    expected = []
    for mapping in tomllib.loads(text)["mapping"]:
        grade = nhs[mapping["nhs"]]["base_grade"]

        def differs(code: str, grade: int = grade) -> bool:
            category = prairie[code]["category"]
            return category == "do_not_do" or (category == "do_not_know" and grade >= 3)

        row = "differ" if any(map(differs, mapping["prairie"])) else "agree" if mapping["prairie"] else "no_entry"
        codes = [*mapping["prairie"], *mapping.get("prairie_in_part", [])]
        expected += [(mapping["nhs"], code, "differ" if differs(code) else "agree", row) for code in codes]
        expected += [] if codes else [(mapping["nhs"], "", "no_entry", row)]
    columns = ["code", "prairie_code", "agreement", "row_agreement"]
    assert sorted(TABLE[columns].itertuples(index=False, name=None)) == sorted(expected)


def test_the_table_has_a_row_a_pair_in_the_order_of_the_rulebook() -> None:
    assert tuple(TABLE.columns) == COLUMNS
    assert list(dict.fromkeys(TABLE["code"])) == [entry.key for entry in NHS.entry]
    assert not TABLE.duplicated(["code", "prairie_code"]).any()
    assert (TABLE["highest_grade"] >= TABLE["base_grade"]).all()
    blank = TABLE[TABLE["prairie_code"] == ""]
    assert set(blank["code"]) == NO_ENTRY
    assert (blank[["prairie_title", "covers", "category", "strength"]] == "").all(axis=None)
    assert set(TABLE["covers"]) == {"row", "part", ""}


@pytest.mark.parametrize("mapping", CROSSWALK.mapping, ids=list(BY_ROW))
def test_a_note_explains_what_differs_and_what_has_no_entry(mapping: Mapping) -> None:
    rows = TABLE[TABLE["code"] == mapping.nhs]
    if (rows["agreement"] != "agree").any():
        assert mapping.note
    assert DIFFER.get(mapping.nhs, "") in mapping.note
    assert mapping.note.startswith("No entry: ") == (mapping.nhs in NO_ENTRY)
    assert len(mapping.note) < 300
    assert not mapping.note or mapping.note.endswith((".", ")."))


@pytest.mark.parametrize("code", BY_ROW)
def test_the_second_opinion_is_the_most_favourable_of_the_entries_on_the_row(code: str) -> None:
    assert second_opinion(code) == (None if code in NO_ENTRY else OPINIONS.get(code, "do"))


def test_there_is_no_second_opinion_on_a_code_that_is_not_known() -> None:
    assert second_opinion("gout") is None
    assert second_opinion("") is None
    own = parse(Crosswalk, raw(mapping=[{"nhs": "gbs", "prairie": ["acute_optic_neuritis", "cidp"]}]), "own")
    assert second_opinion("gbs", prairie=PRAIRIE, crosswalk=own) == "do"
    assert second_opinion("cidp", prairie=PRAIRIE, crosswalk=own) is None
    assert describe_second_opinion("cidp", nhs=NHS, prairie=PRAIRIE, crosswalk=own) == {}


def test_a_raised_grade_can_differ_where_the_base_grade_does_not() -> None:
    assert CROSSWALK.agreement(2, ["do_not_know"]) == "agree"
    assert CROSSWALK.agreement(3, ["do_not_know"]) == "differ"
    assert CROSSWALK.agreement(4, ["do", "do_not_know"]) == "differ"
    assert CROSSWALK.agreement(1, ["do", "do_not_do"]) == "differ"
    assert CROSSWALK.agreement(1, ["do"]) == CROSSWALK.agreement(4, ["do"]) == "agree"
    assert CROSSWALK.agreement(4, []) == "no_entry"


@pytest.mark.parametrize("code", BY_ROW)
def test_the_description_says_what_the_table_says(code: str) -> None:
    told = describe_second_opinion(code, nhs=NHS, prairie=PRAIRIE, crosswalk=CROSSWALK)
    json.dumps(told, allow_nan=False)
    rows = TABLE[(TABLE["code"] == code) & (TABLE["prairie_code"] != "")]
    keys = ["code", "covers", "category", "strength", "agreement"]
    columns = ["prairie_code", "covers", "category", "strength", "agreement"]
    assert [tuple(each[key] for key in keys) for each in told["entries"]] == list(
        rows[columns].itertuples(index=False, name=None)
    )
    assert told["note"] == BY_ROW[code].note
    assert told["category"] == CATEGORY_WORDS.get(second_opinion(code) or "", "")
    for each in told["entries"]:
        regimens = find_entry(PRAIRIE, each["code"]).regimen
        assert each["first_regimen"] == (describe_regimen(regimens[0]) if regimens else "")


def test_every_ruling_is_named_once_and_told_with_a_row() -> None:
    ids = [assumption.id for assumption in CROSSWALK.assumption]
    assert ids == sorted(set(ids))
    assert not set(ids) & {assumption.id for book in (NHS, PRAIRIE) for assumption in book.assumption}
    for code, expected in (("hlh", ["X01", "X02", "X03"]), ("thymoma_immunodeficiency", ids)):
        told = describe_second_opinion(code, nhs=NHS, prairie=PRAIRIE, crosswalk=CROSSWALK)
        assert [assumption["id"] for assumption in told["assumptions"]] == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"mappings": []}, "no such key", id="misspelt key"),
        pytest.param({"mapping": []}, "at least 1 of them", id="nothing mapped"),
        pytest.param({"mapping": [{"nhs": "gbs", "prairie": ["gbs"], "prairi": []}]}, "no such key", id="in a mapping"),
        pytest.param({"mapping": [{"nhs": "gbs"}]}, "expected a value", id="entries not named"),
        pytest.param({"mapping": [{"nhs": "gbs", "prairie": []}]}, "needs a note", id="no entry and no word on it"),
        pytest.param({"mapping": [{"nhs": "gbs", "prairie": ["gbs", "gbs"]}]}, "named twice", id="entry twice"),
        pytest.param(
            {"mapping": [{"nhs": "gbs", "prairie": ["gbs"], "prairie_in_part": ["gbs"]}]},
            "named twice",
            id="whole and part",
        ),
        pytest.param(
            {"mapping": [{"nhs": "gbs", "prairie": [], "prairie_in_part": ["cidp"], "note": "None."}]},
            "need one for the row",
            id="part without whole",
        ),
        pytest.param({"mapping": [{"nhs": "gbs", "prairie": ["gbs"]}] * 2}, "more than once: gbs", id="row twice"),
        pytest.param(
            {"mapping": [{"nhs": "gbs", "prairie": ["gbs"], "assumptions": ["X09"]}]},
            "unknown assumption X09",
            id="no such assumption",
        ),
        pytest.param({"differ": {"do_not_do": [1]}}, "needed for do, do_not_know", id="category without grades"),
        pytest.param({"differ": {"do": [], "do_not_know": [5], "do_not_do": [1]}}, "4 or less", id="no such grade"),
    ],
)
def test_a_crosswalk_that_does_not_hold_together_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(Crosswalk, raw(**change), "own.toml")


def test_codes_that_a_rulebook_lacks_are_refused_by_name() -> None:
    mapping = [{"nhs": "gbs", "prairie": ["gbs", "gout"]}, {"nhs": "gout", "prairie": ["gbs"]}]
    own = parse(Crosswalk, raw(mapping=mapping), "own.toml")
    with pytest.raises(InputError) as caught:
        check_crosswalk(own, nhs=NHS, prairie=PRAIRIE, source="own.toml")
    told = {(fault.column, fault.value) for fault in caught.value.faults}
    assert {("gbs.prairie", "gout"), ("nhs", "gout")} <= told
    assert sum(fault.expected.startswith("a mapping of ") for fault in caught.value.faults) == 58
    with pytest.raises(InputError, match="a mapping of cidp"):
        crosswalk_table(NHS, PRAIRIE, own)


def test_a_crosswalk_of_a_file_is_read_and_its_faults_name_the_file(tmp_path: Path) -> None:
    ours = package_data("rules", "data", "crosswalk.toml").read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(ours.replace('version = "1"', 'version = "ours"', 1), encoding="utf-8")
    assert load_crosswalk(path).version == "ours"
    assert load_crosswalk() is CROSSWALK
    other = tmp_path / "other.toml"
    other.write_text(ours.replace("prairie_in_part =", "in_part =", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.toml"):
        load_crosswalk(other)


def test_one_row_in_full_has_the_second_opinion_and_the_table_of_assumptions_its_rulings() -> None:
    nhs, prairie = load_rules(rulebook="nhs"), load_rules(rulebook="prairie")
    told = criterion("clostridioides_difficile", nhs)
    assert told["second_opinion"]["agreement"] == "differ"
    assert told["second_opinion"]["entries"][0]["category"] == "do not do"
    assert criterion("polio", nhs)["second_opinion"]["agreement"] == "no entry"
    assert "second_opinion" not in criterion("clostridioides_difficile", prairie)
    ids = [assumption.id for assumption in CROSSWALK.assumption]
    assert list(assumptions(nhs)["id"])[-len(ids) :] == ids
    assert not set(assumptions(prairie)["id"]) & set(ids)
