"""Where the files that come with igalloc are.

A wheel carries them in ``allocation/_bundled``; a checkout keeps them at its top level. The working
directory is never searched, so a file there cannot stand in for ours by accident.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["NATIONAL_COHORT", "SAMPLE_COHORT", "bundled", "package_data", "scenario_names", "scenario_path"]

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent
# Beside an installed package lie other people's packages, so the parent counts only as a checkout of ours.
_ROOTS = (_PACKAGE / "_bundled", *([_CHECKOUT] if (_CHECKOUT / "bootstrap.py").is_file() else []))

SAMPLE_COHORT = "data/patient_cohorts/sample_cohort.csv"
NATIONAL_COHORT = "data/patient_cohorts/national_cohort.parquet"


def package_data(*parts: str) -> Path:
    """Path of a data file that lives inside the package, for example ``("rules", "data", "tiers.toml")``."""
    return _PACKAGE.joinpath(*parts)


def bundled(relative: str) -> Path | None:
    """Path of a shipped file, beside the package first, then in the checkout; None where neither has it."""
    for root in _ROOTS:
        path = root / relative
        if path.is_file():
            return path
    return None


def scenario_path(name: str) -> Path | None:
    """Path of a library scenario by its bare name (``uk_2021_output_fall``); None where there is none."""
    if not name or Path(name).name != name:
        return None
    return bundled(f"scenarios/{name}.toml")


def scenario_names() -> tuple[str, ...]:
    """Names of all library scenarios, sorted."""
    names: set[str] = set()
    for root in _ROOTS:
        names.update(path.stem for path in (root / "scenarios").glob("*.toml"))
    return tuple(sorted(names))
