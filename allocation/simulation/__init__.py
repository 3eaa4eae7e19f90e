"""The shortage played out: SimPy for time, arrays for patients, a ledger for stock, the program for allocation."""

from allocation.simulation.outcomes import OUTCOMES
from allocation.simulation.parts import PartStore, played_in_parts
from allocation.simulation.precision import check_precision
from allocation.simulation.replicate import replications, run_replications
from allocation.simulation.results import RunHead, RunResults, head_of, head_summary, summary
from allocation.simulation.source import prepare
from allocation.simulation.world import World
from allocation.simulation.write import FILES, join_parts, write_run

__all__ = [
    "FILES",
    "OUTCOMES",
    "PartStore",
    "RunHead",
    "RunResults",
    "World",
    "check_precision",
    "head_of",
    "head_summary",
    "join_parts",
    "played_in_parts",
    "prepare",
    "replications",
    "run_replications",
    "summary",
    "write_run",
]
