"""The order of the tier; inside a stage, what a second guideline says of the indication."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allocation.optimise.policies.base import Case, Policy, Round, in_order
from allocation.rules.crosswalk import second_opinion

__all__ = ["PrairieTieBreak"]

# No entry is no opinion, which is what "do not know" says.
_RANK = {"do": 0, "do_not_know": 1, None: 1, "do_not_do": 2}
_WORDS = ("do", "do not know, or no entry", "do not do")


class PrairieTieBreak(Policy):
    """Grades as the tier orders them, and inside a stage the Prairie criteria's categories."""

    name = "prairie_tie_break"
    title = "Grade order, Prairie criteria as tie-break"
    rule = (
        "inside a stage of the tier, indications that the Prairie criteria advise go before those they are unsure of, "
        "these before those they advise against, and then who has waited longest"
    )
    keeps_tier_order = True
    uses_estate = False

    def rounds(self, case: Case) -> Sequence[Round]:
        """A round for each stage of the tier and category."""
        columns = (case.claims[name].tolist() for name in ("indication", "situation"))
        codes = [
            f"{indication}/{situation}" if situation else indication
            for indication, situation in zip(*columns, strict=True)
        ]
        opinion = {code: _RANK[second_opinion(code)] for code in sorted(set(codes))}
        rank = np.array([opinion[code] for code in codes], dtype=np.int64)
        stage = case.ints("stage")
        return in_order(
            case,
            stage * len(_WORDS) + rank,
            lambda row: f"{case.tier.stage[int(stage[row])].name}: {_WORDS[int(rank[row])]}",
        )

    def assumptions(self) -> tuple[str, ...]:
        """How a missing opinion counts."""
        return ("An indication without an entry in the Prairie criteria counts as one they are unsure of.",)
