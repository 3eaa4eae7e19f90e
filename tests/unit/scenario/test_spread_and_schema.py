"""Numbers that each replication draws, the schema of scenario files, and what the library covers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InputError
from allocation.resources import package_data, scenario_names, scenario_path
from allocation.scenario import OutputCut, Scenario, Spread, load_scenario
from allocation.scenario.load import _KINDS
from allocation.scenario.schema import schema_text

MINE = 'name = "mine"\ntitle = "Mine"\nextends = "baseline"\n'
CUT = '[[disruption]]\nkind = "output_cut"\nstart_week = 6\nweeks = 26\nfraction = 0.14\n'


def load(folder: Path, text: str) -> Scenario:
    path = folder / "mine.toml"
    path.write_text(MINE + text, encoding="utf-8")
    return load_scenario(path)


@given(st.floats(0, 1), st.floats(-5, 5), st.floats(0, 5), st.floats(0, 1), st.sampled_from(["triangular", "uniform"]))
def test_draws_stay_within_their_spread(uniform: float, low: float, width: float, where: float, kind: str) -> None:
    spread = Spread.model_validate({"distribution": kind, "low": low, "high": low + width})
    number = spread.at(uniform, low + where * width)
    assert low - 1e-9 <= number <= low + width + 1e-9


def test_triangular_spread_has_its_mean() -> None:
    luck = np.random.default_rng(1).random(20_000)
    drawn = [Spread(low=0.1, high=0.4).at(float(one), 0.2) for one in luck]
    assert np.mean(drawn) == pytest.approx((0.1 + 0.2 + 0.4) / 3, abs=0.002)


def test_whole_numbers_stay_whole_and_the_rest_as_it_was(tmp_path: Path) -> None:
    text = CUT + "spread = { weeks = { low = 20, high = 40 }, fraction = { low = 0.1, high = 0.2 } }\n"
    one = load(tmp_path, text).disruption[0]
    drawn = one.drawn({"weeks": 0.9, "fraction": 0.0})
    assert isinstance(drawn, OutputCut)
    assert isinstance(drawn.weeks, int)
    assert drawn.weeks > 26
    assert drawn.fraction == pytest.approx(0.1)
    assert (drawn.start_week, drawn.describe()) == (6, drawn.describe())
    assert one.weeks == 26, "what is told stays what the file says"


@pytest.mark.parametrize(
    ("spread", "told"),
    [
        ("{ fraktion = { low = 0.1, high = 0.2 } }", "spread.fraktion"),
        ("{ kind = { low = 0.1, high = 0.2 } }", "spread.kind"),
        ("{ fraction = { low = 0.2, high = 0.3 } }", "within its spread"),
        ("{ fraction = { low = 0.1, high = 1.3 } }", "1 or less"),
        ("{ weeks = { low = -3, high = 30 } }", "1 or more"),
        ("{ weeks = { low = 3 } }", "high"),
    ],
)
def test_impossible_spreads_are_refused(tmp_path: Path, spread: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, f"{CUT}spread = {spread}\n")
    assert told in str(caught.value)


def test_schema_in_the_package_is_the_current_one() -> None:
    committed = package_data("scenario", "schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "python -m allocation.scenario.schema > allocation/scenario/schema.json"


def test_schema_knows_every_key_and_kind_the_library_uses() -> None:
    schema = json.loads(schema_text())
    assert set(schema["required"]) == {"name", "title"}
    for name in scenario_names():
        path = scenario_path(name)
        assert path is not None
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(data) <= set(schema["properties"])
        for role in ("disruption", "mitigation"):
            kinds = schema["properties"][role]["items"]["discriminator"]["mapping"]
            assert {one["kind"] for one in data.get(role, [])} <= set(kinds)


def test_every_kind_has_an_example_and_every_scenario_its_sources() -> None:
    shown = {
        one.kind
        for name in scenario_names()
        for one in (*load_scenario(name).disruption, *load_scenario(name).mitigation)
    }
    assert shown == _KINDS
    assert len(scenario_names()) >= 12
    for name in scenario_names():
        scenario = load_scenario(name)
        assert scenario.description
        assert all(one.confidence for one in scenario.source)
        assert all(one.describe() for one in (*scenario.disruption, *scenario.mitigation))


def test_readme_lists_the_library_and_every_kind() -> None:
    path = scenario_path("baseline")
    assert path is not None
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    for word in (*scenario_names(), *_KINDS):
        assert f"`{word}`" in text, word
