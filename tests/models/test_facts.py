"""The kept facts of the built-in systems are those of the systems."""

from __future__ import annotations

import json

import pytest

from oddframe.models.catalogue import BUILT_IN
from oddframe.models.facts import FILE, facts_of, model_facts
from oddframe.models.registry import entry

KEPT = {row["model"]: row for row in json.loads(FILE.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_kept_facts_are_true(name: str) -> None:
    assert KEPT[name] == facts_of(entry(name)), "run `python -m oddframe.models.facts`"


def test_every_built_in_system_is_there_in_order() -> None:
    assert tuple(KEPT) == BUILT_IN
    assert [row["model"] for row in model_facts()[0]][: len(BUILT_IN)] == list(BUILT_IN)
