"""What listeners of the review server are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any


async def next_told(stream: AsyncIterator[str], *kinds: str) -> tuple[str, Any]:
    """The next event of a stream that is of one of these kinds."""
    while True:
        message = await asyncio.wait_for(anext(stream), 20)
        kind, _, data = message.removeprefix("event: ").partition("\n")
        if kind in kinds:
            return kind, json.loads(data.removeprefix("data: "))
