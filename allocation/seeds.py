"""Named random streams.

A stream is told by the root seed and a path of names, so adding a draw anywhere leaves every other
stream as it was, and two runs that differ only in policy meet the same patients and the same luck.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Random generator for one purpose.

    Parameters
    ----------
    seed
        Root seed of the run, 0 or more.
    path
        Names from the general to the particular, for example ``("replication", 3, "acute arrivals")``.

    Notes
    -----
    Names are joined with their type and hashed by SHA-256, so ``1`` and ``"1"`` differ and no two
    paths share a stream by accident of joining. Philox is the same on every platform.
    """
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, not {seed}")
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in path)
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))
