"""What every detector promises, in every preset and variant: the contracts of `oddframe.testing`, one test each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from two_ranks import FEW, TwoRanks

from oddframe.models.registry import entry, names
from oddframe.testing import Check, bags, checks, windows
from oddframe.testing.bags import two_devices_learn_alike as bags_on_two_devices
from oddframe.testing.check import Case, cases
from oddframe.testing.windows import two_devices_learn_alike
from oddframe.training import sampling

CHECKS = [check for name in names() for check in checks(entry(name))]
TWO_DEVICES, RESUMED = "two devices learn what one learns", "a resumed run ends with the same bits"
# MemAE's biases in front of a BatchNorm have no gradient but rounding. Adam makes steps of it all the same, and they
# reach the running means behind.
ROUNDING = {"memae": (".bias", ".running_mean")}
# The student's negatives, and the bags that "sum" counts, are those of a device; all else is the same for any number.
SPREADABLE = [case for name in ("dakd", "mil") for case in cases(entry(name)) if case.options]
# The quick tests hold each system to these in one preset; all presets and variants take longer than all else here.
IN_ONE_PRESET = {
    RESUMED,
    "losses fall, and every parameter learns where it should",
    "scores are deterministic, whatever the batch",
    "a constant video gives finite scores and losses",
    "what says that it can be recorded waits for no device",
    "bf16 stays near fp32",
    "weights survive a file",
}
FIRST = {name: cases(entry(name))[0] for name in names()}


def takes_long(check: Check) -> bool:
    return check.slow or (check.name in IN_ONE_PRESET and check.case != FIRST[check.case.about.name])


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=str(check), marks=[pytest.mark.slow] if takes_long(check) else [])
        for check in CHECKS
        if check.name != TWO_DEVICES
    ],
)
def test_contract(check: Check) -> None:
    check()


ON_TWO_DEVICES = [check for check in CHECKS if check.name == TWO_DEVICES]


@pytest.mark.slow
def test_two_spawned_processes_learn_what_one_learns_with_the_whole_batch() -> None:
    ON_TWO_DEVICES[0]()


@pytest.fixture(scope="module")
def ranks() -> Iterator[TwoRanks]:
    with TwoRanks() as ranks:
        yield ranks


@pytest.mark.slow
@pytest.mark.parametrize("check", ON_TWO_DEVICES, ids=str)
def test_two_devices_learn_what_one_learns_with_the_whole_batch(
    check: Check, ranks: TwoRanks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "train", ranks.train)
    monkeypatch.setattr(sampling, "HELDOUT_SAMPLES", FEW)
    two_devices_learn_alike(check.case, ROUNDING.get(check.case.about.name, ()))


@pytest.mark.slow
@pytest.mark.parametrize("case", SPREADABLE, ids=str)
def test_two_devices_learn_from_bags_what_one_learns(
    case: Case, ranks: TwoRanks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bags, "train", ranks.train)
    bags_on_two_devices(case)


def test_names_of_what_takes_long_are_those_of_contracts() -> None:
    assert {check.name for check in CHECKS} >= IN_ONE_PRESET


def test_every_model_has_contracts_in_every_preset() -> None:
    for name in names():
        found = {check.case.preset for check in checks(entry(name))}
        assert found == set(entry(name).presets)
