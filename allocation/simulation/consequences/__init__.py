"""What waiting may mean for infections and relapses: cohort totals, apart from everything else a run says."""

from allocation.simulation.consequences.parameters import (
    Parameter,
    Parameters,
    RelapseGroup,
    draw_parameters,
    load_parameters,
)
from allocation.simulation.consequences.relapse import weeks_without
from allocation.simulation.consequences.report import consequence_labels, consequences_of, consequences_summary
from allocation.simulation.consequences.trough import Troughs, play_troughs, usual_rise_g_per_l

__all__ = [
    "Parameter",
    "Parameters",
    "RelapseGroup",
    "Troughs",
    "consequence_labels",
    "consequences_of",
    "consequences_summary",
    "draw_parameters",
    "load_parameters",
    "play_troughs",
    "usual_rise_g_per_l",
    "weeks_without",
]
