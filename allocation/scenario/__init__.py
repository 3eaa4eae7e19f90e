"""Scenarios: what a simulated shortage is made of, as data a planner can edit."""

from allocation.scenario.disruptions import (
    BatchRecall,
    DemandSurge,
    Disruption,
    ImportDelay,
    OutputCut,
    OutputRise,
    SupplierWithdrawal,
)
from allocation.scenario.load import load_scenario, with_run
from allocation.scenario.models import Assumption, Controller, Demand, LeadTime, Run, Scenario, Source, Supply

__all__ = [
    "Assumption",
    "BatchRecall",
    "Controller",
    "Demand",
    "DemandSurge",
    "Disruption",
    "ImportDelay",
    "LeadTime",
    "OutputCut",
    "OutputRise",
    "Run",
    "Scenario",
    "Source",
    "SupplierWithdrawal",
    "Supply",
    "load_scenario",
    "with_run",
]
