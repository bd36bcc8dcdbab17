"""An event store in either database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import oddframe
from oddframe.store.store import Store


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with oddframe.open_store(url) as opened:
        yield opened
