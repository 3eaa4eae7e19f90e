"""A progress bar, or the step that is under way, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["replication_bar", "running_step", "scenario_bar"]


def replication_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    """Bar for replications done of all."""
    return _bar("replication", "replications")


def scenario_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    """Bar for scenarios played of all."""
    return _bar("scenario", "scenarios")


@contextmanager
def running_step() -> Iterator[Callable[[str], None]]:
    """The step that is under way, on a terminal only: who reads a file wants the result alone."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _step: None
        return
    with console.status("Starting") as status:
        yield status.update


@contextmanager
def _bar(one: str, many: str) -> Iterator[Callable[[int, int], None]]:
    """Bar with the time left; plain lines where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: console.print(f"{one} {done} of {total} done", highlight=False)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{many}, time left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Simulating", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
