"""The shortage played out: SimPy for time, arrays for patients, a ledger for stock, the program for allocation."""

from allocation.simulation.outcomes import OUTCOMES
from allocation.simulation.replicate import run_replications
from allocation.simulation.results import RunResults, summary
from allocation.simulation.source import prepare
from allocation.simulation.world import World
from allocation.simulation.write import FILES, write_run

__all__ = ["FILES", "OUTCOMES", "RunResults", "World", "prepare", "run_replications", "summary", "write_run"]
