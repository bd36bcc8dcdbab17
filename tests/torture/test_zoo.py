"""No hostile or strange input ends in a traceback, a hang, full memory, or the loss of what is good beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.cages import Beast, Cage, meet, prepare
from tests.torture.zoo import ZOO


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("zoo") / "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(place / "cache"))
        prepare(place)
    return place


def test_there_are_enough_of_them() -> None:
    assert len(ZOO) >= 150 and len({str(one) for one in ZOO}) == len(ZOO)


@pytest.mark.slow
@pytest.mark.parametrize("one", ZOO, ids=str)
def test_a_command_meets(one: Beast, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(shared / "cache"))
    met = meet(one, Cage(tmp_path, shared))
    assert not met.faults, f"{met.faults}\n{met.err[-2000:]}"
