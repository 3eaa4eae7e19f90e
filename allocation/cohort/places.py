"""Panels, trusts, panel decisions and the yes/no columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from allocation.cohort.distributions import largest_remainder
from allocation.cohort.epidemiology import Epidemiology, Line
from allocation.rules.models import FLAGS
from allocation.rules.supply import PanelSet

__all__ = ["FlagTable", "PanelTable", "panel_weights"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

_TRIAL = FLAGS.index("clinical_trial")


def panel_weights(panels: PanelSet) -> Floats:
    """Each panel's part of national use: population times use a head, summing to 1; shape (panels,)."""
    weights = np.array([panel.population * panel.use_index for panel in panels.panel], dtype=np.float64)
    share: Floats = weights / weights.sum()
    return share


@dataclass(frozen=True, slots=True)
class PanelTable:
    """Where patients are treated.

    Attributes
    ----------
    codes
        Panel codes, shape (panels,).
    weights
        Each panel's part of the patients.
    trust_cumulative, trust_codes
        Cumulative share and code of each trust within its panel, shape (panels, most trusts).
    """

    codes: Texts
    weights: Floats
    trust_cumulative: Floats
    trust_codes: Texts

    @classmethod
    def of(cls, panels: PanelSet, epidemiology: Epidemiology) -> Self:
        """For a set of panels; a panel's first trust is its largest."""
        most = max(panel.trusts for panel in panels.panel)
        size = np.arange(1, most + 1, dtype=np.float64) ** -epidemiology.of("trust_size_exponent")
        cumulative = np.ones((len(panels.panel), most))
        codes = np.empty((len(panels.panel), most), dtype=object)
        for row, panel in enumerate(panels.panel):
            share = np.cumsum(size[: panel.trusts]) / size[: panel.trusts].sum()
            cumulative[row, : panel.trusts - 1] = share[:-1]
            codes[row] = [f"{panel.code}-T{number:02d}" for number in range(1, most + 1)]
        return cls(
            np.array([panel.code for panel in panels.panel], dtype=object), panel_weights(panels), cumulative, codes
        )

    def share_out(self, patients: int, rng: np.random.Generator) -> Ints:
        """A panel for each of n patients: as many to each as its weight says, in random order."""
        return rng.permutation(np.repeat(np.arange(len(self.codes)), largest_remainder(patients, self.weights)))

    def trusts(self, panel: Ints, uniform: Floats) -> Texts:
        """A trust of the panel for each patient."""
        codes: Texts = self.trust_codes[panel, (uniform[:, None] >= self.trust_cumulative[panel]).sum(axis=1)]
        return codes


@dataclass(frozen=True, slots=True)
class FlagTable:
    """The yes/no columns by line.

    Attributes
    ----------
    chance
        Probability that a condition holds, shape (lines, flags); NaN where it is not asked of the line.
    recorded_share
        Where a condition was asked and does not hold, the share recorded as ``no``.
    """

    chance: Floats
    recorded_share: float

    @classmethod
    def of(cls, lines: Sequence[Line], epidemiology: Epidemiology) -> Self:
        """For some lines of the epidemiology, in their order."""
        chance = np.full((len(lines), len(FLAGS)), np.nan)
        for row, line in enumerate(lines):
            for name, share in line.flags.items():
                chance[row, FLAGS.index(name)] = share
        # Asked of everybody, but written down only for those in a trial.
        chance[:, _TRIAL] = epidemiology.of("clinical_trial_share")
        return cls(chance, epidemiology.of("flag_recorded_share"))

    def draw(self, line: Ints, rng: np.random.Generator) -> dict[str, Texts]:
        """``"yes"``, ``"no"`` or blank for each flag and patient."""
        words = np.array(["", "no", "yes"], dtype=object)
        columns: dict[str, Texts] = {}
        for number, name in enumerate(FLAGS):
            answer = np.zeros(len(line), dtype=np.int64)
            chance = self.chance[line, number]
            asked = ~np.isnan(chance)
            if asked.any():
                holds, recorded = rng.random((2, len(line)))
                denied = asked & (recorded < self.recorded_share) & (number != _TRIAL)
                answer = np.where(asked & (holds < chance), 2, denied.astype(np.int64))
            columns[name] = words[answer]
        return columns
