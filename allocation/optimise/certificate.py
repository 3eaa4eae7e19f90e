"""What a verifier says of a result."""

from __future__ import annotations

from dataclasses import dataclass

from allocation.errors import VerificationError

__all__ = ["Certificate", "Check", "check"]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its name, whether it holds, and what was found."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """All checks of a result."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(item.ok for item in self.checks)

    def raise_if_failed(self) -> None:
        """Stop where a rule does not hold.

        Raises
        ------
        VerificationError
            Naming every rule that does not hold.
        """
        failed = [f"{item.name}: {item.detail}" for item in self.checks if not item.ok]
        if failed:
            raise VerificationError("the result breaks a rule it must keep. " + " ".join(failed))

    def as_dict(self) -> dict[str, object]:
        """For a JSON record."""
        checks = [{"name": item.name, "ok": item.ok, "detail": item.detail} for item in self.checks]
        return {"passed": self.passed, "checks": checks}


def check(name: str, broken: list[str], holds: str) -> Check:
    """A check from the list of what breaks it; the first few are told, never a patient."""
    if not broken:
        return Check(name, ok=True, detail=holds)
    more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return Check(name, ok=False, detail="; ".join(broken[:_SHOWN]) + more + ".")
