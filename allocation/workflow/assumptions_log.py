"""Every assumption igalloc rests on, in one table: gathered from the data files that hold them, never written twice."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from allocation.resources import package_data, scenario_names, scenario_path

if TYPE_CHECKING:
    import pandas as pd

    from allocation.rules import Rulebook
    from allocation.scenario import Scenario

__all__ = ["AREAS", "COLUMNS", "assumptions_log"]

_TO_BE_TOLD = ("F*", "D", "M", "P")
"""Confidence codes of figures that are listed though the data file makes no assumption of them."""

_RULEBOOKS = {"nhs": "nhs_2021", "prairie": "prairie_2022"}
_OURS = "igalloc"


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of the log.

    Attributes
    ----------
    id
        Single in the whole log.
    text
        What is assumed, with its figures where it has any.
    document, section
        Where it was read, or what it departs from.
    confidence
        F, F*, D, M or P, as in the data.
    file, key
        Where it stands; ``file`` from the top of the repository.
    change
        How to run with something else, and see what it does.
    """

    id: str
    area: str
    title: str
    text: str
    document: str
    section: str
    confidence: str
    file: str
    key: str
    change: str


COLUMNS = tuple(_Line.__dataclass_fields__)


def assumptions_log() -> pd.DataFrame:
    """Every assumption that comes with igalloc, in the order of :data:`AREAS`; columns :data:`COLUMNS`, all text.

    Raises
    ------
    InputError
        Where a data file that comes with igalloc is damaged.
    """
    import pandas as pd

    lines = [line for read in AREAS.values() for line in read()]
    frame = pd.DataFrame([asdict(line) for line in lines], columns=list(COLUMNS))
    return frame.map(lambda value: " ".join(str(value).split()))


def _rules() -> Iterator[_Line]:
    from allocation.rules import load_rulebook

    for name, folder in _RULEBOOKS.items():
        rulebook = load_rulebook(name)
        file = f"allocation/rules/data/{folder}/rulebook.toml"
        change = f"edit a copy of the folder, then --rulebook FOLDER; igalloc criteria --rulebook {name} --assumptions"
        for one in rulebook.assumption:
            entries = [entry for entry in rulebook.entry if one.id in entry.assumption_ids]
            sections = dict.fromkeys(entry.section for entry in entries)
            yield _Line(
                id=one.id,
                area="rules",
                title=one.title,
                text=f"{one.open_point} {one.ruling}",
                document=rulebook.document,
                section="; ".join(sections) or "the whole document",
                confidence=one.confidence,
                file=file,
                key=f"assumption.{one.id}",
                change=change,
            )
        yield from _regimens(rulebook, folder)


def _regimens(rulebook: Rulebook, folder: str) -> Iterator[_Line]:
    """Regimens that the document does not print."""
    for entry in rulebook.entry:
        for regimen in entry.regimen:
            if regimen.source is None or regimen.source.confidence not in _TO_BE_TOLD:
                continue
            yield _Line(
                id=f"{rulebook.id}:{entry.key}:{regimen.id}",
                area="rules",
                title=f"Regimen {regimen.id} of {entry.title}",
                text=f"The document prints none; it is taken from another. {regimen.note}",
                document=regimen.source.document,
                section=regimen.source.section,
                confidence=regimen.source.confidence,
                file=f"allocation/rules/data/{folder}",
                key=f"{entry.key}, regimen {regimen.id}",
                change="record dose_g and interval_weeks of each patient, or edit a copy and use --rulebook FOLDER",
            )


def _crosswalk() -> Iterator[_Line]:
    from allocation.rules.crosswalk import load_crosswalk

    for one in load_crosswalk().assumption:
        yield _Line(
            id=one.id,
            area="crosswalk",
            title=one.title,
            text=f"{one.open_point} {one.ruling}",
            document="NHS plan 2021 beside the Prairie criteria 2022",
            section="rows that name it; every row where none does",
            confidence=one.confidence,
            file="allocation/rules/data/crosswalk.toml",
            key=f"assumption.{one.id}",
            change="decides no grade and no dose; only the policy prairie_tie_break reads it",
        )


def _tiers() -> Iterator[_Line]:
    from allocation.rules import load_tiers

    for tier in load_tiers().tier:
        told = [(f"T{tier.tier}.{place}", "assumption", text) for place, text in enumerate(tier.assumption, 1)]
        told += [
            (f"T{tier.tier}.lever.{one.grade}", f"lever of grade {one.grade}", f"{one.assumption} {_figures(one)}")
            for one in tier.lever
            if one.assumption
        ]
        for name, key, text in told:
            yield _Line(
                id=name,
                area="tiers",
                title=f"Tier {tier.tier}: {tier.name}",
                text=text,
                document=tier.source.document,
                section=tier.source.section,
                confidence="P",
                file="allocation/rules/data/tiers.toml",
                key=f"tier {tier.tier}, {key}",
                change="edit a copy, then --tiers FILE of allocate, simulate and compare",
            )


def _products() -> Iterator[_Line]:
    from allocation.rules import load_products

    for one in load_products().product:
        about = (
            ("vial_g", one.confidence_vials, f"Vials of {', '.join(f'{size:g}' for size in sorted(one.vial_g))} g."),
            ("shelf_life_months", one.confidence_shelf_life, f"Shelf life {one.shelf_life_months:g} months."),
        )
        for key, confidence, text in about:
            if confidence in _TO_BE_TOLD:
                yield _Line(
                    id=f"product:{one.code}:{key}",
                    area="products",
                    title=f"{one.name} of {one.maker}",
                    text=f"{text} {one.source.note}",
                    document=one.source.document,
                    section=one.source.section,
                    confidence=confidence,
                    file="allocation/rules/data/products.toml",
                    key=f"{one.code}.{key}",
                    change="--products FILE adds products of your own; a stock file names the vial sizes there are",
                )


def _panels() -> Iterator[_Line]:
    from allocation.rules import load_panels

    for place, one in enumerate(load_panels().source, 1):
        if one.confidence in _TO_BE_TOLD:
            yield _Line(
                id=f"panels:{place}",
                area="panels",
                title="Panels, their population and use",
                text=f"{one.document}. {one.note}",
                document=one.document,
                section=one.section,
                confidence=one.confidence,
                file="allocation/rules/data/panels.toml",
                key="panel.population, panel.trusts, panel.use_index",
                change="--panels FILE adds panels of your own; a cohort file places its patients itself",
            )


def _tables(area: str, change: str, name: str) -> Iterator[_Line]:
    """Tables of a data file that carry a source or a confidence of their own."""
    data = tomllib.loads(package_data(*name.split("/")).read_text(encoding="utf-8"))
    for key, table in _sourced(data, ""):
        source: Mapping[str, Any] = table.get("source", table)
        confidence = str(source.get("confidence", "F"))
        if confidence in _TO_BE_TOLD:
            reason = table.get("reason") or source.get("note", "")
            yield _Line(
                id=f"{area.replace(' ', '_')}:{key}",
                area=area,
                title=key.replace("_", " ").replace(".", ", "),
                text=f"{_figures(table)} {reason}",
                document=str(source.get("document", _OURS)),
                section=str(source.get("section", "")),
                confidence=confidence,
                file=f"allocation/{name}",
                key=key,
                change=change,
            )


def _sourced(data: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in data.items():
        if name == "source":
            continue
        here = f"{path}.{name}" if path else name
        several = value if isinstance(value, list) else [value]
        for place, one in enumerate(several):
            if not isinstance(one, Mapping):
                continue
            key = f"{here}.{place}" if isinstance(value, list) else here
            if "source" in one or "confidence" in one:
                yield key, one
            yield from _sourced(one, key)


def _figures(table: object) -> str:
    """Numbers and words of a table as ``name = value``, but not those that only say where it comes from."""
    told: Mapping[str, Any] = table if isinstance(table, Mapping) else table.model_dump()  # type: ignore[attr-defined]
    words = [
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in told.items()
        if isinstance(value, int | float) or (isinstance(value, str) and name in ("distribution", "unit", "first"))
    ]
    return f"{', '.join(words)}." if words else ""


def _population() -> Iterator[_Line]:
    """Sources of the synthetic cohort that are no publication, and the figures that rest on each."""
    data = tomllib.loads(package_data("cohort", "data", "england.toml").read_text(encoding="utf-8"))
    used: dict[str, Counter[str]] = {}
    _count_uses({name: value for name, value in data.items() if name != "source"}, "", used)
    for name, source in data["source"].items():
        if source["confidence"] not in _TO_BE_TOLD:
            continue
        rests = ", ".join(f"{what} ({times})" if times > 1 else what for what, times in used.get(name, {}).items())
        yield _Line(
            id=f"population:{name}",
            area="synthetic cohort",
            title=name.replace("_", " "),
            text=f"{source['section']}. On it rest: {rests or 'nothing'}. {source.get('note', '')}",
            document=source["document"],
            section=source["section"],
            confidence=source["confidence"],
            file="allocation/cohort/data/england.toml",
            key=f"source.{name}",
            change="bring a cohort of your own: --cohort FILE",
        )


def _count_uses(data: Mapping[str, Any], whose: str, used: dict[str, Counter[str]]) -> None:
    for name, value in data.items():
        if isinstance(value, str) and name.endswith("source"):
            what = name.removesuffix("source").strip("_") or "figures"
            used.setdefault(value, Counter())[f"{whose} {what}".strip().replace("_", " ")] += 1
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                _count_uses(one, whose or name, used)


def _scenarios() -> Iterator[_Line]:
    from allocation.scenario import load_scenario

    own: dict[str, list[str]] = {}
    for name in scenario_names():
        path = scenario_path(name)
        text = path.read_text(encoding="utf-8") if path is not None else ""
        own[name] = [one["id"] for one in tomllib.loads(text).get("assumption", [])]
    times = Counter(one for ids in own.values() for one in ids)
    for name in sorted(own, key=lambda name: (name != "baseline", name)):
        yield from _scenario(load_scenario(name), own[name], times)


def _scenario(scenario: Scenario, own: list[str], times: Counter[str]) -> Iterator[_Line]:
    from allocation.scenario.vary import assumed_keys

    name = scenario.name
    turned = set(assumed_keys(scenario))
    sources = {one.id: one for one in scenario.source}
    for one in scenario.assumption:
        if one.id not in own:
            continue
        source = sources.get(one.source)
        key = next((key for key in one.keys if key in turned), None)
        test = f"igalloc sensitivity {name} --vary {key}=LOW:HIGH" if key else "a scenario of your own that restates it"
        yield _Line(
            # A scenario may restate what another says under the same id.
            id=one.id if times[one.id] == 1 or name == "baseline" else f"{one.id}/{name}",
            area="scenarios",
            title=one.title,
            text=one.text,
            document=source.document if source else one.source or _OURS,
            section=source.section if source else "",
            confidence=one.confidence,
            file=f"scenarios/{name}.toml",
            key=", ".join(one.keys) or "no single key",
            change=test,
        )


def _policies() -> Iterator[_Line]:
    from allocation.optimise.policies import list_policies
    from allocation.optimise.policies.figures import harm_figures
    from allocation.records import PROGRAM

    sources = {" ".join(one.assumption.split()): one.source for one in harm_figures().entry}
    for found in list_policies():
        if found.distribution != PROGRAM:
            continue
        for place, told in enumerate(found.policy.assumptions(), 1):
            text, _, code = told.removesuffix("]").rpartition(" [")
            # A sentence that ends without a code is a proposal.
            marked = code in ("F", *_TO_BE_TOLD)
            source = sources.get(text)
            yield _Line(
                id=f"policy:{found.name}:{place}",
                area="policies",
                title=f"{found.policy.title}: {found.policy.rule}",
                text=text if marked else told,
                document=source.document if source else _OURS,
                section=source.section if source else "",
                confidence=code if marked else "P",
                file="allocation/optimise/policies",
                key=found.name,
                change="igalloc compare SCENARIO --policies A,B sets policies side by side",
            )


def _consequences() -> Iterator[_Line]:
    from allocation.simulation.consequences.parameters import load_parameters

    for one in load_parameters().parameter:
        yield _Line(
            id=f"consequences:{one.name}",
            area="consequences",
            title=one.label,
            text=f"{one.value:g} {one.unit}, {one.distribution}, {one.low:g} to {one.high:g}. {one.text}",
            document=one.source or _OURS,
            section="",
            confidence=one.confidence,
            file="allocation/simulation/consequences/parameters.toml",
            key=f"parameter.{one.name}",
            change="drawn anew in each replication; simulate --consequences tells the interval that comes of it",
        )


AREAS: Mapping[str, Callable[[], Iterator[_Line]]] = {
    "rules": _rules,
    "crosswalk": _crosswalk,
    "tiers": _tiers,
    "products": _products,
    "panels": _panels,
    "dosing": partial(_tables, "dosing", "edit the file in a checkout", "dosing/data/parameters.toml"),
    "cohort files": partial(_tables, "cohort files", "judges files, not patients", "cohort/data/plausible.toml"),
    "synthetic cohort": _population,
    "stewardship": partial(
        _tables, "stewardship", "edit the file in a checkout; dose --cohort uses it", "cohort/data/stewardship.toml"
    ),
    "scenarios": _scenarios,
    "policies": _policies,
    "consequences": _consequences,
    "forecast": partial(
        _tables, "forecast", "edit the file in a checkout; --breaks and --model choose", "forecast/data/settings.toml"
    ),
}
"""What is gathered, by area, in the order of the log."""
