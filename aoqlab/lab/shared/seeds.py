"""Seeds made of several numbers."""

from __future__ import annotations

import hashlib


def mixed(*numbers: int) -> int:
    """Return 64 bits that depend on every number and on their order; neighbours give unrelated ones.

    With seed + epoch, epoch 1 of seed 0 would be epoch 0 of seed 1.
    """
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little")


def step_seed(*numbers: int) -> int:
    """Return a seed of 63 bits that no other numbers share, be they fewer or more: SplitMix64 over all of them.

    Trainings draw from it at every step; :func:`mixed` would give other numbers than stored runs were made with.
    """
    z = 0
    for value in numbers:
        z = (z + value + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        z ^= z >> 31
    return z >> 1
