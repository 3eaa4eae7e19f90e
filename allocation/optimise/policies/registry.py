"""Finding policies: those that come with igalloc and those of other packages, by the same entry-point group."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from allocation.errors import Fault, InputError
from allocation.optimise.policies.base import Policy
from allocation.records import PROGRAM

__all__ = [
    "DEFAULT_POLICY",
    "GROUP",
    "FoundPolicy",
    "check_policy",
    "find_policy",
    "list_policies",
    "unusable_policies",
]

GROUP = "allocation.policies"
"""Entry-point group in which a package names its policies."""

DEFAULT_POLICY = "grade_order"


@dataclass(frozen=True, slots=True)
class FoundPolicy:
    """A policy and the package it comes from.

    Attributes
    ----------
    distribution, version
        Of the package, as installed.
    """

    policy: Policy
    distribution: str
    version: str

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self.policy.name

    @property
    def whence(self) -> str:
        """The policy and its package, for messages."""
        return f"policy {self.name} of {self.distribution} {self.version}"

    def record(self) -> dict[str, object]:
        """For the record of a run."""
        return {
            "name": self.name,
            "title": self.policy.title,
            "rule": self.policy.rule,
            "distribution": self.distribution,
            "version": self.version,
            "assumptions": list(self.policy.assumptions()),
        }


def list_policies() -> tuple[FoundPolicy, ...]:
    """All policies that can be used, ours first; :func:`unusable_policies` has the others."""
    found = [one for _, one in _tried() if isinstance(one, FoundPolicy)]
    return tuple(sorted(found, key=lambda one: (one.distribution != PROGRAM, one.name != DEFAULT_POLICY, one.name)))


def unusable_policies() -> tuple[tuple[str, str], ...]:
    """Name of every policy that a package names and that cannot be used, and why, in a sentence."""
    return tuple((name, str(one)) for name, one in _tried() if isinstance(one, InputError))


def _tried() -> Iterator[tuple[str, FoundPolicy | InputError]]:
    for name in _names():
        try:
            yield name, find_policy(name)
        except InputError as error:
            yield name, error


def check_policy(name: str, option: str = "--policy") -> None:
    """Refuse a policy that is not known.

    Raises
    ------
    InputError
        Naming those that are.
    """
    known = _names()
    if DEFAULT_POLICY not in known:
        remedy = "This installation does not know its own policies; install igalloc again, or run python bootstrap.py."
        raise InputError(Fault(option, "an installed igalloc", value=name, remedy=remedy))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Install the package it comes from, or choose one of these."
        raise InputError(Fault(option, f"one of {', '.join(known)}", value=name, remedy=remedy))


@lru_cache(maxsize=64)
def find_policy(name: str, option: str = "--policy") -> FoundPolicy:
    """A policy by its name.

    Raises
    ------
    InputError
        Where no package, or more than one, names such a policy, or it cannot be loaded.
    """
    check_policy(name, option)
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    homes = sorted({_home(point) for point in points})
    if len(homes) > 1:
        both = " and ".join(f"{distribution} {version}" for distribution, version in homes)
        raise InputError(Fault(option, "a policy of one package", value=name, remedy=f"Both {both} name it."))
    distribution, version = homes[0]
    return FoundPolicy(_loaded(points[0], f"policy {name} of {distribution} {version}"), distribution, version)


def _names() -> list[str]:
    return sorted({point.name for point in entry_points(group=GROUP)})


def _home(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else ("an unknown package", "")


def _loaded(point: EntryPoint, whence: str) -> Policy:
    try:
        made = point.load()
        policy = made() if isinstance(made, type) else made
    except Exception as error:
        raise InputError(
            Fault(whence, "a policy that can be loaded", value=f"{type(error).__name__}: {error}")
        ) from error
    if not isinstance(policy, Policy):
        raise InputError(
            Fault(whence, "a subclass of allocation.optimise.policies.Policy", value=type(policy).__name__)
        )
    wrong = [
        attribute
        for attribute in ("name", "title", "rule")
        if not isinstance(getattr(policy, attribute, None), str) or not getattr(policy, attribute).strip()
    ]
    if wrong:
        raise InputError([Fault(whence, "words", column=attribute) for attribute in wrong])
    if policy.name != point.name:
        raise InputError(Fault(whence, f"the name of its entry point, {point.name}", column="name", value=policy.name))
    return policy
