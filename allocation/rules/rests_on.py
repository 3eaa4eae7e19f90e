"""The assumptions that a piece of work rests on: those of the entries it used, and those that touch every entry."""

from __future__ import annotations

from collections.abc import Iterable

from allocation.rules.models import Entry, Rulebook

__all__ = ["EVERY_ENTRY", "assumptions_used"]

EVERY_ENTRY = "the whole rulebook"
"""Said of an assumption that touches no single entry."""


def assumptions_used(rulebook: Rulebook, entries: Iterable[Entry]) -> list[dict[str, str]]:
    """What the entries used leave open or contradict, and how it was ruled.

    Parameters
    ----------
    rulebook
        The rulebook in use.
    entries
        Entries of it that the work used.

    Returns
    -------
    list of dict
        One for each assumption, ready for JSON, conflicts of the source first, then by id: ``id``, ``kind``, ``title``,
        ``open_point``, ``text`` (the ruling), ``source`` (the document, and the sections of the entries used that
        name it), ``confidence`` and ``entries`` (the codes used that it touches, or the whole rulebook). Those that no
        entry of the rulebook names hold for all and so are always there.
    """
    used = list(entries)
    somewhere = {name for entry in rulebook.entry for name in entry.assumption_ids}
    here = {
        assumption.id: [entry for entry in used if assumption.id in entry.assumption_ids]
        for assumption in rulebook.assumption
    }
    chosen = [found for found in rulebook.assumption if here[found.id] or found.id not in somewhere]
    return [
        {
            "id": found.id,
            "kind": found.kind.replace("_", " "),
            "title": found.title,
            "open_point": found.open_point,
            "text": found.ruling,
            "source": "; ".join([rulebook.document, *dict.fromkeys(entry.section for entry in here[found.id])]),
            "confidence": found.confidence,
            "entries": ", ".join(dict.fromkeys(entry.key for entry in here[found.id])) or EVERY_ENTRY,
        }
        for found in sorted(chosen, key=lambda found: (found.kind != "source_conflict", found.id))
    ]
