"""What is drawn for each patient of a replication in the course of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.seeds import Keys, each
from allocation.simulation.demand import Floats, Ints
from allocation.simulation.names import Name

__all__ = ["Luck"]


@dataclass(frozen=True, slots=True)
class Luck:
    """The luck of all patients of a replication, whose keys are ``keys``."""

    seed: int
    replication: int
    keys: Keys

    def draw(self, who: Ints | slice, *purpose: str | int) -> Floats:
        """Uniform draws of these patients for one purpose, each the same whoever else is there."""
        return each(self.seed, self.keys[who], "replication", self.replication, *purpose)

    def draw_all(self, name: Name, *purposes: str) -> Floats:
        """Draws of everybody for something that happens, shape (purposes, patients)."""
        return np.stack([self.draw(slice(None), *name, purpose) for purpose in purposes])

    def lottery(self, who: Ints, week: int) -> Floats:
        """Draws that break ties of the due day in a week."""
        return self.draw(who, "lottery", week)
