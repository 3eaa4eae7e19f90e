"""One number of a scenario changed, the rest as it is: what searches and sensitivity analyses turn.

A key is written as assumptions write it: ``supply.output_share_of_demand``, ``disruption.0.fraction``. Where only one
disruption or mitigation is of its kind, the kind may stand for the number: ``disruption.output_cut.fraction``.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from allocation.errors import Fault, InputError, expected_by
from allocation.scenario.models import Scenario

__all__ = ["assumed_keys", "is_whole", "label_of", "number_at", "number_keys", "with_numbers"]

_LISTS = ("disruption", "mitigation")
# Not part of what is played: how often, and from which day and seed. Studies set them themselves.
_NOT_VARIED = ("run.replications", "run.seed", "run.most_replications", "run.precision")


def number_keys(scenario: Scenario) -> tuple[str, ...]:
    """Keys of every number that decides what is played, in the order of the file."""
    found = _numbers(scenario.model_dump(include={"run", "supply", "controller", "demand", *_LISTS}), "")
    return tuple(key for key in found if not key.startswith(_NOT_VARIED) and ".spread." not in key)


def assumed_keys(scenario: Scenario, confidences: str = "P") -> tuple[str, ...]:
    """Those of :func:`number_keys` behind which an assumption of one of these confidences stands."""
    assumed = {key for one in scenario.assumption if one.confidence in confidences for key in one.keys}
    return tuple(key for key in number_keys(scenario) if key in assumed)


def number_at(scenario: Scenario, key: str) -> float:
    """The number that a key stands for.

    Raises
    ------
    InputError
        Where there is no such number; near keys are told.
    """
    return float(_reached(scenario, key)[1])


def is_whole(scenario: Scenario, key: str) -> bool:
    """Whether a key holds a whole number, as one of weeks does.

    Raises
    ------
    InputError
        As :func:`number_at`.
    """
    return isinstance(_reached(scenario, key)[1], int)


def label_of(scenario: Scenario, key: str) -> str:
    """A key in words, by what happens rather than by its place in a list.

    Raises
    ------
    InputError
        As :func:`number_at`.
    """
    path, _ = _reached(scenario, key)
    group, *rest = path
    if group in _LISTS:
        group, rest = getattr(scenario, group)[rest[0]].kind, rest[1:]
    words = " ".join(str(part) for part in rest).replace("_", " ")
    return f"{words} ({group.replace('_', ' ')})"


def with_numbers(scenario: Scenario, values: Mapping[str, float], *, option: str = "--vary") -> Scenario:
    """The scenario with other numbers at some keys.

    Parameters
    ----------
    values
        New number by key. A key that holds a whole number takes the nearest one. Its ``spread`` is dropped: the
        number is then the same in every replication.
    option
        Named in faults.

    Raises
    ------
    InputError
        Where there is no such key, or the scenario would not be valid with the number.
    """
    data = scenario.model_dump()
    for key, value in values.items():
        path, old = _reached(scenario, key, option=option)
        if not math.isfinite(value):
            raise InputError(Fault(option, "a finite number", column=key, value=str(value)))
        place = data
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = round(value) if isinstance(old, int) else value
        if path[0] in _LISTS:
            place.get("spread", {}).pop(path[-1], None)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        told = ", ".join(f"{key} = {value:g}" for key, value in values.items())
        raise InputError(
            [
                Fault(option, expected_by(item), value=told, remedy="Choose a range within it.")
                for item in error.errors()
            ]
        ) from None


def _numbers(value: object, prefix: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _numbers(inner, f"{prefix}.{place}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield prefix


def _reached(scenario: Scenario, key: str, *, option: str = "--vary") -> tuple[list[Any], int | float]:
    """Path of a key through the dumped scenario, and the number there."""
    place: Any = scenario.model_dump()
    path: list[Any] = []
    for part in key.split("."):
        step: Any = part
        if isinstance(place, list | tuple):
            step = _place_in_list(place, part)
            known = step is not None
        else:
            known = isinstance(place, Mapping) and part in place
        if not known:
            raise _no_such(scenario, key, option)
        path.append(step)
        place = place[step]
    if isinstance(place, bool) or not isinstance(place, int | float) or key.startswith(_NOT_VARIED):
        raise _no_such(scenario, key, option)
    return path, place


def _place_in_list(listed: list[Any] | tuple[Any, ...], part: str) -> int | None:
    if part.isdigit():
        return int(part) if int(part) < len(listed) else None
    of_kind = [place for place, one in enumerate(listed) if isinstance(one, Mapping) and one.get("kind") == part]
    return of_kind[0] if len(of_kind) == 1 else None


def _no_such(scenario: Scenario, key: str, option: str) -> InputError:
    keys = number_keys(scenario)
    near = difflib.get_close_matches(key, keys, n=3, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"Its numbers are {', '.join(keys)}."
    return InputError(Fault(option, f"the key of a number of scenario {scenario.name}", value=key, remedy=remedy))
