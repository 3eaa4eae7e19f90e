"""Panels, groups and the nation as one set of series whose forecasts add up.

Every series is forecast on its own; then the least-squares combination of all of them, weighted by how well each
model fitted (minimum trace with variance scaling, WLS), is taken to the lowest level and added up again. Sums
are whole milligrams, so that they add up to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["METHOD", "Hierarchy", "Level", "Node", "hierarchy_of"]

Level = Literal["nation", "group", "panel", "panel and group"]
METHOD = "minimum trace reconciliation with variance scaling (WLS), negative values set to zero at the lowest level"


@dataclass(frozen=True, slots=True)
class Node:
    """One series: what level it is of, and its panel and group, blank where it is of all."""

    level: Level
    panel: str = ""
    group: str = ""

    @property
    def name(self) -> str:
        """Name for readers."""
        return " ".join(part for part in (self.panel, self.group) if part) or "All panels"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """All series and which of the lowest ones each is the sum of.

    Attributes
    ----------
    nodes
        The nation first, then groups, panels, and panels by group.
    sums
        1 where a lowest series is part of a node, shape (nodes, lowest).
    """

    nodes: tuple[Node, ...]
    sums: npt.NDArray[np.float64]

    def reconcile(self, means: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Lowest series that fit all forecasts best, none below zero.

        Parameters
        ----------
        means
            Forecasts of each node on its own, shape (nodes, months).
        variances
            Variance of each node's errors within its history, shape (nodes,).

        Returns
        -------
        ndarray
            Shape (lowest, months).
        """
        floor = max(float(variances.max()) * 1e-9, 1e-12)
        weights = 1.0 / np.maximum(variances, floor)
        root = np.sqrt(weights)[:, None]
        solved, *_ = np.linalg.lstsq(self.sums * root, means * root, rcond=None)
        return np.maximum(np.asarray(solved, dtype=np.float64), 0.0)


def hierarchy_of(labels: tuple[tuple[str, str], ...]) -> Hierarchy:
    """Series to forecast for these panels and groups; a level that would repeat another is left out."""
    panels = list(dict.fromkeys(panel for panel, _ in labels))
    groups = list(dict.fromkeys(sorted(group for _, group in labels)))
    nodes: list[Node] = [Node("nation")]
    if len(groups) > 1:
        nodes += [Node("group", group=group) for group in groups]
    if len(panels) > 1 or len(groups) == 1:
        nodes += [Node("panel", panel=panel) for panel in panels]
    if len(groups) > 1:
        nodes += [Node("panel and group", panel=panel, group=group) for panel, group in labels]
    sums = np.array(
        [[float(node.panel in ("", panel) and node.group in ("", group)) for panel, group in labels] for node in nodes]
    )
    return Hierarchy(tuple(nodes), sums)
