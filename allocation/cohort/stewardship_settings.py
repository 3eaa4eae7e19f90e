"""Which savings are counted, of whom and in which order: read from ``data/stewardship.toml``."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Self

from pydantic import model_validator

from allocation.resources import package_data
from allocation.rules import FLAGS
from allocation.rules.base import Model, Positive, Source
from allocation.rules.load import parse, read_toml

__all__ = ["KINDS", "Kind", "Stewardship", "WeaningRule", "load_stewardship"]

Kind = Literal["interval", "dose", "dosing_weight", "packs", "rounding", "weaning", "trial_off"]
KINDS: tuple[Kind, ...] = ("interval", "dose", "dosing_weight", "packs", "rounding", "weaning", "trial_off")
"""Kinds of saving in the order in which grams are attributed. Each is reckoned on what those before it leave."""


class KindText(Model):
    """A kind of saving for readers."""

    title: str
    text: str


class WeaningRule(Model):
    """Who may be weaned."""

    replacement_specialties: tuple[str, ...]
    stable_for_weeks: Positive
    not_while: tuple[str, ...]
    source: Source

    @model_validator(mode="after")
    def _flags_are_known(self) -> Self:
        unknown = sorted(set(self.not_while) - set(FLAGS))
        if unknown:
            raise ValueError(f"unknown flag {', '.join(unknown)}")
        return self


class Stewardship(Model):
    """The whole file."""

    weaning: WeaningRule
    kind: dict[Kind, KindText]

    @model_validator(mode="after")
    def _kinds_are_ours(self) -> Self:
        if tuple(self.kind) != KINDS:
            raise ValueError(f"kind must have {', '.join(KINDS)}, in this order")
        return self


@lru_cache(maxsize=1)
def load_stewardship() -> Stewardship:
    """The settings that come with igalloc.

    Raises
    ------
    InputError
        Where the file is missing or does not hold to its schema.
    """
    path = package_data("cohort", "data", "stewardship.toml")
    return parse(Stewardship, read_toml(path), str(path))
