"""Seeds made of several numbers."""

from __future__ import annotations

import hashlib


def mixed(*numbers: int) -> int:
    """64 bits that depend on every number and on their order; neighbours give unrelated ones.

    With seed + epoch, epoch 1 of seed 0 would be epoch 0 of seed 1.
    """
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little")
