"""How the command line speaks: data on stdout, everything else on stderr, faults one a line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import typer

from allocation.cli.exits import BAD_INPUT, DEFECT, STOPPED, STOPPED_CLEANLY
from allocation.errors import Fault, IgallocError, InputError, SolverError, VerificationError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["end_run", "say", "say_faults", "say_notices", "say_set_aside", "shown"]

_MANY_OF_A_KIND = 20
"""A file of another day, or in another unit, is wrong in every row alike: then one more line says so."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def say(text: str) -> None:
    """One message to the person at the terminal, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_faults(faults: Iterable[Fault]) -> None:
    """One line a fault, on stderr; then, of many alike, how many there are and where."""
    alike: dict[tuple[str, str, str], list[Fault]] = {}
    for fault in faults:
        alike.setdefault((fault.source, fault.column, fault.expected), []).append(fault)
        say(f"igalloc: {fault}")
    for (source, column, expected), found in alike.items():
        rows = [fault.row for fault in found if fault.row is not None]
        where = f", {'row' if len(rows) == 1 else 'rows'} {_first_to_last(rows)}" if rows else ""
        about = ", ".join(part for part in (source, column) if part)
        if len(found) > _MANY_OF_A_KIND:
            say(f"igalloc: in all {len(found):,} faults of one kind, {about}{where}: expected {expected}.")


def _first_to_last(rows: Sequence[int]) -> str:
    return f"{min(rows)} to {max(rows)}" if len(rows) > 1 else str(rows[0])


def say_notices(notices: Sequence[str]) -> None:
    """One line for each thing to know that is no fault, on stderr."""
    for text in notices:
        say(f"igalloc: note: {text}")


def say_set_aside(
    faults: Sequence[Fault], rows: int, place: Path | None, *, limits: int = 0, expected: bool = False
) -> None:
    """Tell what was set aside and where it is, and end with exit code 2 unless the user named a place for it.

    Parameters
    ----------
    limits
        Side limits that were left out or cut.
    """
    if not faults:
        return
    say_faults(faults)
    where = "" if place is None else f" with {'its' if rows == 1 else 'their'} reasons in {place}"
    if rows:
        number = "1 row was" if rows == 1 else f"{rows} rows were"
        say(f"{number} set aside{where}; the good rows went on.")
    if limits:
        number = "1 limit was" if limits == 1 else f"{limits} limits were"
        say(f"{number} left out or cut, as limits_rejects.csv tells; the others hold.")
    if not expected:
        raise typer.Exit(BAD_INPUT)


def end_run(
    faults: Sequence[Fault],
    rows: int,
    *,
    out: Path,
    cohort_rejects: pd.DataFrame,
    rejects: Path | None,
    limits: int = 0,
) -> None:
    """Tell where a run is and what it set aside; copy the cohort's rejects to where the user asked for them."""
    say(f"Written to {out}; igalloc report {out} makes a page of it.")
    if rejects is not None and len(cohort_rejects):
        from allocation.cohort.write import write_rejects

        write_rejects(cohort_rejects, rejects)
    say_set_aside(faults, rows, rejects or out, limits=limits, expected=rejects is not None)


def shown(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn what can go wrong in a command into lines on stderr and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            say_faults(error.faults)
            raise typer.Exit(BAD_INPUT) from None
        except (SolverError, VerificationError) as error:
            say(f"igalloc: no result: {error}")
            raise typer.Exit(DEFECT) from None
        except IgallocError as error:
            # Something outside went away: a worker, a scheduler. The message says how to go on.
            say(f"igalloc: {error}.")
            raise typer.Exit(DEFECT) from None
        except KeyboardInterrupt as stop:
            say(f"igalloc: stopped. {stop or STOPPED_CLEANLY}")
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            # The reader of our output went away, as `head` does: not an error of ours.
            sys.stderr.close()
            raise typer.Exit(0) from None
        except OSError as error:
            name = error.filename or "the output"
            say(f"igalloc: {name}: {error.strerror or error}. Check that the place exists and can be written.")
            raise typer.Exit(BAD_INPUT) from None

    return wrapped
