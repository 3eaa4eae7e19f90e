"""Named random streams.

A stream is told by the root seed and a path of names, so adding a draw anywhere leaves every other
stream as it was, and two runs that differ only in policy meet the same patients and the same luck.
What each of many patients is drawn goes by the patient's own key besides, so whoever else is there changes nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["Keys", "each", "keys_of", "stream"]

Keys = npt.NDArray[np.uint64]


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
    words = np.frombuffer(_digest(*path), dtype="<u4").tolist()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def keys_of(rng: np.random.Generator, count: int) -> Keys:
    """Keys of so many patients, each as good as unique."""
    return rng.integers(0, 2**64, count, dtype=np.uint64)


def each(seed: int, keys: Keys, *path: str | int) -> npt.NDArray[np.float64]:
    """Uniform draws in [0, 1), one for each key, for one purpose.

    Parameters
    ----------
    seed
        Root seed of the run, 0 or more.
    keys
        Of the patients who are drawn for, from :func:`keys_of`; one patient's draw is the same whoever else is drawn.
    path
        Names of the purpose, as for :func:`stream`.

    Notes
    -----
    The key is mixed twice by the finaliser of SplitMix64 (Steele, Lea and Flood 2014), each time with a word of the
    purpose's SHA-256, and the upper 53 bits are taken.
    """
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, not {seed}")
    words = np.frombuffer(_digest("each", seed, *path), dtype="<u8")
    mixed = _mixed(_mixed(keys ^ words[:1]) + words[1:2])
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def _digest(*path: str | int) -> bytes:
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in path)
    return hashlib.sha256(text.encode("utf-8")).digest()


def _mixed(bits: Keys) -> Keys:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)), dtype=np.uint64)
