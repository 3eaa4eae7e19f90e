"""The numbers of the consequences layer, each with its source and how sure it is, drawn anew in each replication."""

from __future__ import annotations

import tomllib
from functools import cache
from math import exp, log
from statistics import NormalDist
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.resources import package_data
from allocation.scenario.base import Code, Confidence, Model
from allocation.scenario.happening import Spread
from allocation.seeds import stream

__all__ = ["Parameter", "Parameters", "RelapseGroup", "draw_parameters", "load_parameters"]

_LIMIT = 0.975
"""Quantile of the upper one of two 95 % limits."""


class Parameter(Model):
    """A number and how sure it is; of ``low`` and ``high`` the data file says what they are."""

    name: Code
    label: str
    unit: str
    value: Annotated[float, Field(gt=0)]
    distribution: Literal["fixed", "uniform", "triangular", "loguniform", "normal", "lognormal"]
    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]
    source: str
    text: str
    confidence: Confidence

    @model_validator(mode="after")
    def _lies_within(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.name} must lie between low and high")
        return self

    def at(self, uniform: float) -> float:
        """The number at a uniform draw from 0 to 1, by the inverse of its distribution; never below 0."""
        if self.distribution == "fixed":
            return self.value
        if self.distribution == "triangular" or self.distribution == "uniform":
            return Spread(distribution=self.distribution, low=self.low, high=self.high).at(uniform, self.value)
        if self.distribution == "loguniform":
            return self.low * exp(uniform * log(self.high / self.low))
        # A uniform draw may be 0, which is infinitely far out.
        z = NormalDist().inv_cdf(min(max(uniform, 1e-9), 1 - 1e-9))
        reach = 2 * NormalDist().inv_cdf(_LIMIT)
        if self.distribution == "normal":
            return max(self.value + z * (self.high - self.low) / reach, 0.0)
        return self.value * exp(z * log(self.high / self.low) / reach)


class RelapseGroup(Model):
    """Indications that share a hazard of relapse, the parameter ``relapse_per_week_late_`` and the group's code."""

    group: Code
    label: str
    indications: tuple[Code, ...] = Field(min_length=1)

    @property
    def parameter(self) -> str:
        """Name of its hazard."""
        return f"relapse_per_week_late_{self.group}"


class Replacement(Model):
    """Indications in which immunoglobulin replaces what a patient lacks."""

    indications: tuple[Code, ...] = Field(min_length=1)


class Parameters(Model):
    """All numbers of the layer."""

    caveat: str
    replacement: Replacement
    relapse: tuple[RelapseGroup, ...]
    parameter: tuple[Parameter, ...]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = [one.name for one in self.parameter]
        if len(set(names)) < len(names):
            raise ValueError("two parameters share a name")
        for group in self.relapse:
            if group.parameter not in names:
                raise ValueError(f"{group.parameter} is missing")
        return self


@cache
def load_parameters() -> Parameters:
    """The numbers that come with the package."""
    text = package_data("simulation", "consequences", "parameters.toml").read_text(encoding="utf-8")
    return Parameters.model_validate(tomllib.loads(text))


def draw_parameters(parameters: Parameters, *, seed: int, replication: int) -> dict[str, float]:
    """One draw of every number, each from a stream of its own name, so that no other result feels it."""
    return {
        one.name: one.at(float(stream(seed, "replication", replication, "consequences", one.name).random()))
        for one in parameters.parameter
    }
