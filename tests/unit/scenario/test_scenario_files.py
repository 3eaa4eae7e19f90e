"""Scenario files: merging, refusals that tell where, and the library's own health."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from allocation.errors import InputError
from allocation.resources import scenario_names, scenario_path
from allocation.scenario import OutputCut, Scenario, load_scenario, with_run
from allocation.scenario.load import _models_in

MINE = 'name = "mine"\ntitle = "Mine"\nextends = "baseline"\n'


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    return str(caught.value)


def test_library_loads() -> None:
    assert {"baseline", "no_disruption", "uk_2021_output_fall"} <= set(scenario_names())
    for name in scenario_names():
        assert load_scenario(name).name == name


def test_fall_of_2021_is_what_the_evidence_says() -> None:
    cut = load_scenario("uk_2021_output_fall").disruption[0]
    assert isinstance(cut, OutputCut)
    assert (cut.fraction, cut.weeks) == (0.14, 26)
    assert cut.weight_by_product


def numbers(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from numbers(inner, f"{key}.{place}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key


@pytest.mark.parametrize("name", scenario_names())
def test_every_number_rests_on_a_named_assumption(name: str) -> None:
    scenario = load_scenario(name)
    stated = [key for assumption in scenario.assumption for key in assumption.keys]
    parts = scenario.model_dump(include={"supply", "controller", "demand", "panels", "disruption", "mitigation"})
    for number in numbers(parts):
        assert any(number == key or number.startswith(f"{key}.") for key in stated), f"{number} has no assumption"
    for key in stated:
        assert any(number == key or number.startswith(f"{key}.") for number in numbers(parts)), f"{key} is no number"


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from models(inner)


def test_readme_explains_every_key() -> None:
    path = scenario_path("baseline")
    assert path is not None
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    for model in models(Scenario):
        for key in model.model_fields:
            assert f"`{key}`" in text or f"[{key}]" in text, f"{model.__name__}.{key}"


def test_a_file_is_a_diff(tmp_path: Path) -> None:
    text = (
        MINE
        + """
[run]
weeks = 8
[supply.lead_time_days]
mean = 20.0
[[assumption]]
id = "SIM03"
title = "Slow lead time"
text = "20 days."
confidence = "P"
[[assumption]]
id = "MY01"
title = "Mine"
text = "Mine."
confidence = "P"
"""
    )
    base, mine = load_scenario("baseline"), load_scenario(write(tmp_path, "mine", text))
    assert mine.run == base.run.model_copy(update={"weeks": 8})
    assert mine.supply.lead_time_days.mean == 20
    assert mine.supply.lead_time_days.sd == base.supply.lead_time_days.sd
    assert mine.controller == base.controller
    assert len(mine.assumption) == len(base.assumption) + 1
    assert next(one for one in mine.assumption if one.id == "SIM03").title == "Slow lead time"


def test_disruptions_are_replaced_as_a_whole(tmp_path: Path) -> None:
    text = """name = "mine"
title = "Mine"
extends = "uk_2021_output_fall"
[[disruption]]
kind = "import_delay"
start_week = 1
weeks = 2
extra_days = 5
"""
    scenario = load_scenario(write(tmp_path, "mine", text))
    assert [one.kind for one in scenario.disruption] == ["import_delay"]


def test_chain_of_files_beside_each_other(tmp_path: Path) -> None:
    write(tmp_path, "first", MINE.replace("mine", "first") + "[run]\nweeks = 5\nseed = 1\n")
    second = 'name = "second"\ntitle = "Second"\nextends = "first.toml"\n[run]\nseed = 2\n'
    run = load_scenario(write(tmp_path, "second", second)).run
    assert (run.weeks, run.seed) == (5, 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINE + "[run]\nweekz = 4\n", ("mine.toml", "run.weekz", "weeks")),
        (MINE + "[supply.lead_time_days]\nmaen = 4\n", ("supply.lead_time_days.maen", "mean")),
        (
            MINE + '[[disruption]]\nkind = "output_cut"\nstart_wek = 1\nweeks = 2\nfraction = 0.1\n',
            ("disruption.0.start_wek", "start_week"),
        ),
        (MINE + "[run]\nweeks = -4\n", ("mine.toml", "run.weeks", "'-4'")),
        (MINE + "[controller]\nenter_tier_4_below_weeks = 9.0\n", ("mine.toml", "must fall")),
        (MINE + "[supply.lead_time_days]\nmean = 1e5\n", ("supply.lead_time_days.mean", "3,650 or less")),
        (MINE + "[demand]\ngrowth_per_year = 1e300\n", ("demand.growth_per_year", "10 or less")),
        (MINE + "[demand]\nturnover_per_year = 1e6\n", ("demand.turnover_per_year", "10 or less")),
        (MINE + "[supply]\noutput_share_of_demand = 1e300\n", ("supply.output_share_of_demand", "1,000,000 or less")),
        (MINE + "[supply]\nopening_cover_weeks = 1e15\n", ("supply.opening_cover_weeks", "520 or less")),
        (MINE + "[panels]\ninfusion_chairs = 1000000000000000000000\n", ("panels.infusion_chairs", "100000 or less")),
        (MINE + "[panels]\ninfusion_chair_load = 1e-300\n", ("panels", "0.01 or more")),
        (MINE + "[run]\nas_of = 9999-12-31\n", ("run.as_of", "2199-12-31 or less")),
        (MINE + '[[disruption]]\nkind = "meteor"\nstart_week = 1\n', ("disruption.0", "meteor", "output_cut")),
        (MINE + "[[disruption]]\nstart_week = 1\n", ("disruption.0", "kind")),
        (
            MINE + '[[disruption]]\nkind = "output_cut"\nstart_week = 1\nweeks = 2\nfraction = 1.4\n',
            ("disruption.0.fraction", "'1.4'"),
        ),
        (
            MINE
            + '[[disruption]]\nkind = "output_cut"\nstart_week = 1\nweeks = 2\nfraction = 0.1\n'
            + "weight_by_product = { octagam_5 = 0.0 }\n",
            ("weight_by_product", "must not all be 0"),
        ),
        ('name = "mine"\nextends = "baseline"\n', ("mine.toml", "title")),
        (MINE.replace('"baseline"', '"baselin"'), ("baselin", "baseline")),
        (MINE.replace('"baseline"', '"other.toml"'), ("other.toml",)),
        (MINE.replace('"baseline"', "7"), ("extends", "'7'")),
        (MINE + 'name = "again"\n', ("mine.toml", "TOML")),
        ('name = "mine"\ntitle = "Mine"\n', ("run", "supply", "a value")),
        (
            MINE + '[[assumption]]\nid = "MY01"\ntitle = "a"\ntext = "b"\nsource = "SRC99"\nconfidence = "P"\n',
            ("MY01", "SRC99"),
        ),
        (MINE + "[supply]\nhighest_cover_weeks = 1.0\n", ("highest_cover_weeks",)),
        (MINE + "[supply]\noldest_shelf_life_left_share = 0.9\n", ("oldest_shelf_life_left_share",)),
        (MINE + "[supply]\nopening_cover_weeks = nan\n", ("opening_cover_weeks",)),
        (MINE + '[supply.replenishment]\npolicy = "push"\n', ("supply.replenishment.policy", "order_up_to")),
        (MINE + "[supply.replenishment]\nup_to_g = 4.0\n", ("supply.replenishment", "contract_push has none")),
        (MINE + '[supply.replenishment]\npolicy = "order_up_to"\n', ("up_to_weeks or up_to_g",)),
        (
            MINE + '[supply.replenishment]\npolicy = "s_S"\nup_to_weeks = 4.0\nreorder_below_g = 1.0\n',
            ("reorder_below_weeks with up_to_weeks",),
        ),
        (
            MINE + '[supply.replenishment]\npolicy = "s_S"\nup_to_weeks = 4.0\nreorder_below_weeks = 5.0\n',
            ("must not be above",),
        ),
        (MINE + "[supply.partial_deliveries]\nfirst_share_low = 0.9\n", ("first_share_low must not be above",)),
        (MINE + '[supply.lead_time_days]\ndistribution = "triangular"\n', ("supply.lead_time_days", "low and high")),
        (MINE + '[[supply.maker]]\nmaker = "BPL"\nlead_times = 3\n', ("supply.maker.0.lead_times", "lead_time_days")),
        (MINE + '[[supply.maker]]\nmaker = "BPL"\n[[supply.maker]]\nmaker = "BPL"\n', ("one table of its own",)),
        (MINE + "[controller.grade_cover.grade_5]\n", ("controller.grade_cover.grade_5", "grade_4")),
        (MINE + "[controller]\nproduct_enter_tier_3_below_weeks = 9.0\n", ("controller", "must fall")),
        (MINE + "[panels]\ninfusion_chairs = 3\ninfusion_chair_load = 0.9\n", ("not both",)),
        (MINE + "[panels]\ninfusion_chair = 3\n", ("panels.infusion_chair", "infusion_chairs")),
        (MINE + '[consequences]\nenabled = "maybe"\n', ("consequences.enabled",)),
    ],
)
def test_refusals_tell_where_and_what(tmp_path: Path, text: str, told: tuple[str, ...]) -> None:
    message = faults_of(write(tmp_path, "mine", text))
    for words in told:
        assert words in message


def test_fault_is_laid_at_the_file_that_made_it(tmp_path: Path) -> None:
    write(tmp_path, "first", MINE.replace("mine", "first") + "[run]\nweeks = 0\n")
    second = 'name = "second"\ntitle = "Second"\nextends = "first.toml"\n[run]\nseed = 2\n'
    message = faults_of(write(tmp_path, "second", second))
    assert "first.toml, run.weeks" in message
    write(tmp_path, "first", MINE.replace("mine", "first") + "[run]\nweks = 5\n")
    assert "first.toml, run.weks" in faults_of(tmp_path / "second.toml")


def test_rings_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "mine", MINE.replace('"baseline"', '"mine.toml"'))
    assert "mine extends mine" in faults_of(path)
    write(tmp_path, "first", 'name = "first"\ntitle = "First"\nextends = "second.toml"\n')
    path = write(tmp_path, "second", 'name = "second"\ntitle = "Second"\nextends = "first.toml"\n')
    assert "second extends first extends second" in faults_of(path)


def test_unknown_names() -> None:
    assert "uk_2021_output_fall" in faults_of("uk_2021_output_fal")
    assert "baseline" in faults_of("something_else_entirely")
    assert "nowhere.toml" in faults_of("nowhere.toml")


def test_run_can_be_changed() -> None:
    scenario = load_scenario("baseline")
    changed = with_run(scenario, weeks=3, replications=2, seed=0)
    assert (changed.run.weeks, changed.run.replications, changed.run.seed) == (3, 2, 0)
    assert changed.run.as_of == scenario.run.as_of
    assert with_run(scenario) == scenario
    with pytest.raises(InputError, match="--weeks"):
        with_run(scenario, weeks=0)


def test_disruptions_describe_themselves(tmp_path: Path) -> None:
    text = MINE + "".join(
        f"[[disruption]]\nstart_week = 1\n{rest}\n"
        for rest in (
            'kind = "output_cut"\nweeks = 1\nfraction = 0.14',
            'kind = "output_rise"\nweeks = 2\nfraction = 0.2',
            'kind = "supplier_withdrawal"\nmaker = "BPL"',
            'kind = "supplier_withdrawal"\nmaker = "BPL"\nproducts = ["subgam_16"]\nweeks = 3',
            'kind = "supplier_withdrawal"\nmaker = "BPL"\nweeks = 3\nfraction = 0.4',
            'kind = "batch_recall"\nproducts = ["octagam_5"]',
            'kind = "import_delay"\nweeks = 3\nextra_days = 7',
            'kind = "demand_surge"\nweeks = 3\nfraction = 0.5\napplies_to = "all"\ntext = "Winter"',
        )
    )
    scenario = load_scenario(write(tmp_path, "mine", text))
    assert [one.describe() for one in scenario.disruption] == [
        "Output of all makers down by 14 % for 1 week",
        "Output of all makers up by 20 % for 2 weeks",
        "BPL supplies nothing from now on",
        "BPL (subgam_16) supplies nothing for 3 weeks",
        "BPL supplies 40 % less for 3 weeks",
        "Recall: 100 % of all stock of octagam_5 destroyed",
        "Deliveries of all makers take 7 days longer for 3 weeks",
        "Winter",
    ]
    assert [one.size for one in scenario.disruption] == [0.14, 0.2, 1, 1, 0.4, 1, 7, 0.5]
