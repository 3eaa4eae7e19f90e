"""The allocation: the problem, the program, whole vials for patients, and the proof."""

from allocation.optimise.certificate import Certificate, Check
from allocation.optimise.patients import PatientResult, serve_patients
from allocation.optimise.plan import Plan, StageValue
from allocation.optimise.problem import Problem, build_problem
from allocation.optimise.program import solve
from allocation.optimise.reserve import emergency_reserve
from allocation.optimise.shadow import LeftOut, ShadowPrices, shadow_prices
from allocation.optimise.stock import LoadedStock, load_stock, make_stock
from allocation.optimise.verify import verify

__all__ = [
    "Certificate",
    "Check",
    "LeftOut",
    "LoadedStock",
    "PatientResult",
    "Plan",
    "Problem",
    "ShadowPrices",
    "StageValue",
    "build_problem",
    "emergency_reserve",
    "load_stock",
    "make_stock",
    "serve_patients",
    "shadow_prices",
    "solve",
    "verify",
]
