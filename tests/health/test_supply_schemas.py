"""The JSON Schemas of the tiers and of side limits are those of the models, and our tiers keep to theirs."""

from __future__ import annotations

import json
import tomllib

import pytest

from allocation.errors import InputError
from allocation.resources import package_data
from allocation.rules import load_panels, load_products, load_rulebook
from allocation.rules.limits import load_limits
from allocation.rules.schema import LIMITS_SCHEMA, TIERS_SCHEMA, schema_texts


@pytest.mark.parametrize("name", [TIERS_SCHEMA, LIMITS_SCHEMA])
def test_the_committed_schema_is_that_of_the_model(name):
    assert package_data("rules", name).read_text(encoding="utf-8") == schema_texts()[name]


def test_every_key_of_our_tiers_is_known_to_the_schema():
    schema = json.loads(schema_texts()[TIERS_SCHEMA])
    tiers = tomllib.loads(package_data("rules", "data", "tiers.toml").read_text(encoding="utf-8"))["tier"]
    for tier in tiers:
        assert set(tier) <= set(schema["$defs"]["Tier"]["properties"])
        for kind, name in (("stage", "Stage"), ("lever", "Lever")):
            for part in tier[kind]:
                assert set(part) <= set(schema["$defs"][name]["properties"])
        assert all("(P)" in lever["assumption"] for lever in tier["lever"])


def test_a_file_of_limits_is_read_whole_or_entry_by_entry(tmp_path):
    known = {"products": load_products(), "panels": load_panels(), "rulebook": load_rulebook("nhs")}
    path = tmp_path / "limits.toml"
    path.write_text(
        '[[lock]]\nroute = "SC"\nassumption = "Home."\n[[delivery]]\ninto = "SRIAP01"\ngrams = 5\n'
        'source = { document = "Contract" }\n[[infusion]]\npanel = "SRIAP01"\n'
        'courses = 4\ngrams = 5\nassumption = "x"\n',
        encoding="utf-8",
    )
    loaded = load_limits(path, **known)
    assert len(loaded.limits.lock) == len(loaded.limits.delivery) == 1
    assert loaded.limits.infusion == ()
    assert "either grams or courses" in str(loaded.faults[0])
    for wrong in ("[limit]\nx = 1\n", "delivery = 3\n", "[[delivery\n"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match=r"limits\.toml"):
            load_limits(path, **known)
