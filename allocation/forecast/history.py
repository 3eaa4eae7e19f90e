"""A demand history on a whole grid of months, with everything that had to be noted on the way there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.forecast.months import days_in, month_range, ordinal
from allocation.forecast.scmd import is_published_layout, load_published
from allocation.forecast.settings import Settings
from allocation.forecast.stream import header_of
from allocation.forecast.trusts import TrustMap, load_trusts

__all__ = ["History", "Note", "history_files", "load_history", "on_grid"]

_SUFFIXES = (".csv", ".parquet", ".xlsx")


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader must know about the data: what kind, of what, from when to when, and what was done."""

    kind: str
    name: str
    first_month: str
    last_month: str
    months: int
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """Monthly grams of every panel and product group.

    Attributes
    ----------
    months
        Consecutive months ``YYYY-MM``, T of them.
    labels
        Panel and group of each series, n of them; the group is blank where the history has none.
    grams
        Shape (T, n). Months without data are filled, see ``filled``.
    filled
        Whether a value was put in for want of data, shape (T, n).
    provisional
        Months taken from a provisional file.
    notes
        In the order of kind and month.
    medicines
        Every immunoglobulin of published data with whether it counts; empty for the simple form.
    """

    months: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    grams: npt.NDArray[np.float64]
    filled: npt.NDArray[np.bool_]
    provisional: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()
    medicines: pd.DataFrame | None = None

    @property
    def days(self) -> npt.NDArray[np.float64]:
        """Days of each month, shape (T,)."""
        return days_in(self.months)

    @property
    def grouped(self) -> bool:
        """Whether there are several product groups."""
        return len({group for _, group in self.labels}) > 1


def load_history(paths: list[Path], *, trusts: Path | None, settings: Settings) -> History:
    """History of one or more files, or of the files in a folder, in either layout.

    Raises
    ------
    InputError
        Where a file cannot be used, layouts are mixed, or months are too few.
    """
    files = history_files(paths)
    published = [is_published_layout(header_of(path)) for path in files]
    if any(published) and not all(published):
        odd = files[published.index(False)]
        remedy = "Run the two kinds of file apart."
        raise InputError(Fault(str(odd), "the same layout in every file", row=1, remedy=remedy))
    if published[0]:
        return _published(files, trusts, settings)
    if trusts is not None:
        remedy = "A history by panel needs no trust map; leave --trusts out."
        raise InputError(Fault(str(trusts), "published data with ODS codes", remedy=remedy))
    from allocation.forecast.simple import load_simple

    cells = load_simple(files)
    return on_grid(cells, present=sorted(set(cells["month"])), settings=settings, source=files[0].name)


def history_files(paths: list[Path]) -> list[Path]:
    """Files named, and those in the folders named, each once.

    Raises
    ------
    InputError
        Where a folder holds none, or a file is named twice.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith((".", "~"))
            )
            if not inside:
                raise InputError(Fault(str(path), f"files ending in {', '.join(_SUFFIXES)} in this folder"))
            files += inside
        else:
            files.append(path)
    names = [path.resolve() for path in files]
    twice = sorted({path.name for path in names if names.count(path) > 1})
    if twice:
        raise InputError(Fault(twice[0], "each file once", remedy="It was named twice, or with its folder."))
    if not files:
        raise InputError(Fault("HISTORY", "at least one file"))
    return files


def _published(files: list[Path], trusts: Path | None, settings: Settings) -> History:
    data = load_published(files, settings)
    known = load_trusts(trusts)
    cells = data.grams.assign(panel=[known.panel(trust) for trust in data.grams["trust"]])
    present = sorted(data.reported)
    notes = _trust_notes(data.grams, data.reported, known, present)
    if data.negative_rows:
        text = f"{data.negative_rows} negative rows are stock corrections and were netted off."
        notes.append(_span("corrections", "negative rows", present, text))
    text = "The finalised file was used and the provisional one was not."
    notes += [Note("superseded month", month, month, month, 1, text) for month in data.superseded]
    provisional = frozenset(month for month, status in data.status.items() if status == "provisional")
    notes += [
        Note("provisional month", m, m, m, 1, "Taken from a provisional file; it may change.")
        for m in sorted(provisional)
    ]
    return on_grid(
        cells, present=present, settings=settings, source=files[0].name,
        notes=notes, provisional=provisional, medicines=data.medicines,
        reporting=_reporting(data.reported, known, set(data.grams["trust"])),
    )  # fmt: skip


def _trust_notes(grams: pd.DataFrame, reported: dict[str, set[str]], known: TrustMap, present: list[str]) -> list[Note]:
    """Trusts without a panel, merged, absent for some months, or not there from the start to the end."""
    notes: list[Note] = []
    users = sorted(set(grams["trust"]))
    notes += [
        _span("merged trust", trust, present, f"Counted with its successor {known.today(trust)}.")
        for trust in users
        if known.today(trust) != trust
    ]
    monthly = (
        grams.assign(trust=[known.today(trust) for trust in grams["trust"]]).groupby(["trust", "month"])["grams"].sum()
    )
    today = {month: {known.today(trust) for trust in codes} for month, codes in reported.items()}
    for trust in sorted({known.today(trust) for trust in users}):
        if trust not in known.panel_of:
            notes.append(
                _span(
                    "unmapped trust",
                    trust,
                    present,
                    f"On no map: its {monthly[trust].sum():.0f} g count under UNMAPPED.",
                )
            )
        at = [place for place, month in enumerate(present) if trust in today[month]]
        if at[0] > 0:
            notes.append(_span("trust starts later", trust, present[: at[0]], "No row before; counted as no use."))
        if at[-1] < len(present) - 1:
            notes.append(
                _span(
                    "trust stops",
                    trust,
                    present[at[-1] + 1 :],
                    "No row after and no successor named; counted as no use.",
                )
            )
        for before, after in pairwise(at):
            if after - before > 1:
                gone = present[before + 1 : after]
                usual = (monthly.get((trust, present[before]), 0.0) + monthly.get((trust, present[after]), 0.0)) / 2
                text = f"No row at all; about {usual * len(gone):.0f} g are not in the history."
                notes.append(_span("missing trust", trust, gone, text))
    return notes


def _reporting(reported: dict[str, set[str]], known: TrustMap, users: set[str]) -> dict[str, set[str]]:
    """Months in which any trust of a panel that uses immunoglobulin has any row, of whatever medicine."""
    months: dict[str, set[str]] = {}
    for month, codes in reported.items():
        for trust in codes & users:
            months.setdefault(known.panel(trust), set()).add(month)
    return months


def _span(kind: str, name: str, months: list[str], text: str) -> Note:
    return Note(kind, name, months[0], months[-1], len(months), text)


def on_grid(
    cells: pd.DataFrame,
    *,
    present: list[str],
    settings: Settings,
    source: str,
    notes: list[Note] | None = None,
    provisional: frozenset[str] = frozenset(),
    medicines: pd.DataFrame | None = None,
    reporting: dict[str, set[str]] | None = None,
) -> History:
    """Cells ``month, panel, group, grams`` on consecutive months, gaps filled and named.

    A month without any data, or a panel's month without any between others that have some, is filled in a straight
    line from grams a day before to grams a day after. Before a panel's first month and after its last it uses nothing.
    ``reporting`` tells the months of a panel in which it sent anything at all: such a month without grams is no gap.

    Raises
    ------
    InputError
        Where there are fewer months than a season can be told from.
    """
    count = ordinal(present[-1]) - ordinal(present[0]) + 1
    months = month_range(present[0], count)
    least = settings.series.shortest_months
    if count < least:
        remedy = f"It runs from {months[0]} to {months[-1]}. Add earlier months."
        raise InputError(Fault(source, f"{least} months or more", value=f"{count} months", remedy=remedy))
    labels = sorted(set(zip(cells["panel"], cells["group"], strict=True)))
    place = {label: i for i, label in enumerate(labels)}
    start = ordinal(months[0])
    grams = np.zeros((count, len(labels)))
    rows = np.array([ordinal(month) - start for month in cells["month"]])
    columns = np.array([place[label] for label in zip(cells["panel"], cells["group"], strict=True)])
    np.add.at(grams, (rows, columns), cells["grams"].to_numpy(dtype=np.float64))
    said = list(notes or ())
    filled = np.zeros_like(grams, dtype=bool)
    have = {ordinal(month) - start for month in present}
    gone = [month for i, month in enumerate(months) if i not in have]
    said += [
        Note("missing month", month, month, month, 1, "No data at all; filled between its neighbours.")
        for month in gone
    ]
    for panel in sorted({panel for panel, _ in labels}):
        own = [i for i, label in enumerate(labels) if label[0] == panel]
        with_rows = np.zeros(count, dtype=bool)
        with_rows[rows[np.isin(columns, own)]] = True
        with_rows[[ordinal(month) - start for month in (reporting or {}).get(panel, ())]] = True
        said += _fill_panel(grams, filled, with_rows, own, months=months, panel=panel, gone=set(gone))
    for t, i in zip(*np.nonzero(grams < 0), strict=True):
        name = " ".join(part for part in labels[i] if part)
        said.append(
            Note("negative month", name, months[t], months[t], 1, f"Corrections outweigh use: {grams[t, i]:.1f} g.")
        )
    return History(months, tuple(labels), grams, filled, provisional, tuple(said), medicines)


def _fill_panel(
    grams: npt.NDArray[np.float64],
    filled: npt.NDArray[np.bool_],
    with_rows: npt.NDArray[np.bool_],
    own: list[int],
    *,
    months: tuple[str, ...],
    panel: str,
    gone: set[str],
) -> list[Note]:
    at = np.flatnonzero(with_rows)
    notes: list[Note] = []
    if at[0] > 0 and not set(months[: at[0]]) <= gone:
        notes.append(_span("panel starts later", panel, list(months[: at[0]]), "No row before; counted as no use."))
    if at[-1] < len(months) - 1:
        notes.append(_span("panel stops", panel, list(months[at[-1] + 1 :]), "No row after; counted as no use."))
    holes = [t for t in range(int(at[0]), int(at[-1])) if not with_rows[t]]
    days = days_in(months)
    for i in own:
        grams[holes, i] = np.interp(holes, at, grams[at, i] / days[at]) * days[holes]
        filled[holes, i] = True
    text = "No row; filled between its neighbours."
    notes += [Note("missing panel", panel, months[t], months[t], 1, text) for t in holes if months[t] not in gone]
    return notes
