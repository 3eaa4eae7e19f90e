"""The cohorts that come with igalloc, and making them again.

Run ``python -c "from pathlib import Path; from allocation.cohort.published import regenerate;
regenerate(Path('data/patient_cohorts'))"`` after a change of the epidemiology, the rules or the generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from allocation import __version__
from allocation.cohort.calibration import calibration_table
from allocation.cohort.dictionary import data_dictionary
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.cohort.write import write_cohort
from allocation.records import sha256_of, write_text_atomic
from allocation.rules import load_panels, load_products, load_rulebook
from allocation.tables import write_table

__all__ = ["DICTIONARY", "PROVENANCE", "PUBLISHED", "PublishedCohort", "make", "regenerate"]

DICTIONARY = "data_dictionary.csv"
PROVENANCE = "provenance.toml"
_LIBRARIES = ("numpy", "pandas", "pyarrow")


@dataclass(frozen=True, slots=True)
class PublishedCohort:
    """Options of one cohort; ``patients`` is None for the national number."""

    patients: int | None
    seed: int
    as_of: date

    def command(self, name: str) -> str:
        """The command that writes it, from the top of a checkout."""
        size = "" if self.patients is None else f"--patients {self.patients} "
        return (
            f"igalloc cohort generate {size}--seed {self.seed} --as-of {self.as_of} --out data/patient_cohorts/{name}"
        )


PUBLISHED = MappingProxyType(
    {
        "national_cohort.parquet": PublishedCohort(patients=None, seed=2026, as_of=date(2026, 11, 1)),
        "sample_cohort.csv": PublishedCohort(patients=400, seed=7, as_of=date(2026, 11, 1)),
    }
)
"""Cohorts by file name."""


def make(name: str) -> pd.DataFrame:
    """The frame of a published cohort."""
    options = PUBLISHED[name]
    return generate_cohort(
        patients=options.patients,
        seed=options.seed,
        as_of=options.as_of,
        rulebook=load_rulebook(),
        panels=load_panels(),
        products=load_products(),
        epidemiology=load_epidemiology(),
    )


def regenerate(folder: Path) -> tuple[Path, ...]:
    """Write the published cohorts, the data dictionary and the provenance into a folder.

    Returns
    -------
    tuple of Path
        The files written. ``README.md`` is prose and stays as it is.

    Raises
    ------
    InputError
        Where a file cannot be written.
    """
    written = []
    frames = {name: make(name) for name in PUBLISHED}
    for name, frame in frames.items():
        write_cohort(frame, folder / name)
        written.append(folder / name)
    write_table(data_dictionary(load_rulebook()), folder / DICTIONARY)
    write_text_atomic(folder / PROVENANCE, _provenance(folder, frames))
    return (*written, folder / DICTIONARY, folder / PROVENANCE)


def _provenance(folder: Path, frames: dict[str, pd.DataFrame]) -> str:
    rulebook, epidemiology = load_rulebook(), load_epidemiology()
    rows = [
        "# Where the cohorts of this folder come from. Written by allocation.cohort.published; edits are lost.",
        "# Every patient is synthetic. Parquet bytes depend on the version of pyarrow, the patients do not.",
        "",
        f'igalloc = "{__version__}"',
        f'rulebook = "{rulebook.id} {rulebook.version}"',
        f'epidemiology = "{epidemiology.id} {epidemiology.version}"',
        "",
        "[libraries]",
        *(f'{name} = "{version(name)}"' for name in _LIBRARIES),
    ]
    for name, frame in frames.items():
        options = PUBLISHED[name]
        rows += [
            "",
            f'[file."{name}"]',
            f'command = "{options.command(name)}"',
            f"seed = {options.seed}",
            f"as_of = {options.as_of}",
            f"patients = {len(frame)}",
            f"long_term_patients = {int(frame['interval_weeks'].notna().sum())}",
            f'sha256 = "{sha256_of(folder / name)}"',
        ]
    rows += [
        "",
        f'[file."{DICTIONARY}"]',
        f'sha256 = "{sha256_of(folder / DICTIONARY)}"',
        "",
        "# The national cohort and a full year of short-term patients, against the targets of the epidemiology.",
    ]
    national = next(name for name, options in PUBLISHED.items() if options.patients is None)
    table = calibration_table(
        frames[national],
        epidemiology=epidemiology,
        rulebook=rulebook,
        panels=load_panels(),
        products=load_products(),
        as_of=PUBLISHED[national].as_of,
    )
    for row in table.to_dict("records"):
        rows += [
            "",
            "[[calibration]]",
            f'group = "{row["group"]}"',
            f"target_patients = {row['target_patients']:.0f}",
            f"patients = {row['patients']:.0f}",
            f"target_kg_per_year = {row['target_kg']:.1f}",
            f"kg_per_year = {row['kg']:.1f}",
            f"target_share_of_grams = {row['target_share']:.4f}",
            f"share_of_grams = {row['share']:.4f}",
        ]
    return "\n".join(rows) + "\n"
