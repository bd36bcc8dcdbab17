"""What listeners of the review server are told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from oddframe.store.store import Store

PATIENCE_S = 60.0  # of a machine that has much else to do


async def next_told(stream: AsyncIterator[str], *kinds: str) -> tuple[str, Any]:
    """The next event of a stream that is of one of these kinds."""
    while True:
        message = await asyncio.wait_for(anext(stream), PATIENCE_S)
        kind, _, data = message.removeprefix("event: ").partition("\n")
        if kind in kinds:
            return kind, json.loads(data.removeprefix("data: "))


class Looks:
    """Counts how often a server has looked at a store for changes. What changes before its first look is not told."""

    def __init__(self, store: Store) -> None:
        self.number = 0
        look = store.changed_since

        def counted(*words: Any) -> list[tuple[str, float]]:
            try:
                return look(*words)
            finally:
                self.number += 1

        store.changed_since = counted  # type: ignore[method-assign]

    def wait(self) -> None:
        """Wait until a look that begins from now on is over, and all that the server does after it."""
        seen, until = self.number, time.monotonic() + PATIENCE_S
        while self.number < seen + 3:  # the first may have begun before, and the last may still be under way
            assert time.monotonic() < until, "nobody looks at the store"
            time.sleep(0.01)
