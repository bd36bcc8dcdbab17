"""Random numbers as a function of what they belong to, on any device, in torch as in numpy."""

from __future__ import annotations

from typing import Any


def token_noise(key_B: Any, ramp_L: Any, seed: int, draw: int) -> Any:
    """(B, L) int64 noise, splitmix64 of (seed, draw, key, token): the same on every device and in every batch.

    Args:
        key_B: int64 tensor or array.
        ramp_L: 1, 2, ... L, of the same kind.
    """

    def mix(x: Any) -> Any:
        # int64 has no logical right shift: shift arithmetically, then mask the copied sign bits away.
        x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
        x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
        return x ^ ((x >> 31) & 0x1FFFFFFFF)

    golden = -0x61C8864680B583EB
    base_B = mix(mix(key_B + golden) ^ (seed * 1_000_003 + draw))
    return mix(base_B[:, None] + golden * ramp_L)
