"""The contracts find the faults that they are for; a contract that nothing can break would prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from oddframe.datasets.windows import Chunk
from oddframe.models.detector import Batch, FrameErrors
from oddframe.models.mil import ENTRY as MIL_ENTRY
from oddframe.models.mil import MIL
from oddframe.models.sdmae import ENTRY, SDMAE
from oddframe.runtime.torch import TorchRuntime
from oddframe.testing import check_detector, checks
from oddframe.types import ChunkErrors


def contract(name: str, **changes: Any) -> Callable[[], None]:
    """A contract of SDMAE's paper preset, with another class or another entry."""
    (check,) = [c for c in checks(replace(ENTRY, presets=("paper",), **changes)) if c.name.startswith(name)]
    return check


class Altered(TorchRuntime):
    """Says in bf16 something else than the detector says."""

    def score(self, chunk: Chunk) -> ChunkErrors:
        errors = super().score(chunk)
        if self.precision == "fp32":
            return errors
        return replace(errors, components={name: self.alter(v) for name, v in errors.components.items()})

    @staticmethod
    def alter(values: np.ndarray) -> np.ndarray:
        return np.zeros_like(values)


class Louder(Altered):
    @staticmethod
    def alter(values: np.ndarray) -> np.ndarray:
        return 1.05 * values


@pytest.mark.parametrize("runtime", [Altered, Louder])
def test_a_half_precision_runtime_of_zeros_or_of_other_sizes_is_found(
    runtime: type[TorchRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddframe.testing.windows.TorchRuntime", runtime)
    with pytest.raises(AssertionError, match=r"bf16 stays near fp32: .* in bf16: off by"):
        contract("bf16")()


def test_a_bag_detector_that_says_zero_in_half_precision_is_found() -> None:
    class Silent(MIL):
        def score(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
            found = super().score(features)
            return {n: v * 0 for n, v in found.items()} if torch.is_autocast_enabled("cpu") else found

    (check,) = [c for c in checks(replace(MIL_ENTRY, detector=Silent, presets=("paper",), variants=()))
                if c.name.startswith("bf16")]  # fmt: skip
    with pytest.raises(AssertionError, match="classifier in bf16: off by"):
        check()


@pytest.mark.slow
@pytest.mark.parametrize(("stated", "message"), [(0.0, "no cost is stated"), (9.0, "gflop is 9; a counter counts 4.8")])
def test_a_cost_that_is_missing_or_wrong_is_found(stated: float, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        contract("its cost", gflop=stated)()


class Relative(SDMAE):
    """Scores that depend on the rest of the batch."""

    def score(self, batch: Batch) -> FrameErrors:
        errors = super().score(batch)
        return replace(errors, components={name: v - v.mean() for name, v in errors.components.items()})


class Forgetful(SDMAE):
    """A parameter that nothing learns."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.unused = torch.nn.Parameter(torch.zeros(3))


class Fragile(SDMAE):
    """Divides by what changes."""

    def score(self, batch: Batch) -> FrameErrors:
        errors = super().score(batch)
        spread = batch.frames.double().std()
        return replace(errors, components={name: v / spread for name, v in errors.components.items()})


class Mute(SDMAE):
    """A component without words."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.components = dict.fromkeys(self.components, "")


class Credulous(SDMAE):
    """Takes any checkpoint."""

    def load_reference_state_dict(self, state: Mapping[str, Any]) -> None:
        self.load_state_dict(dict(state), strict=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "name", "message"),
    [
        (Relative, "scores are deterministic", "in batches of 1 instead of 8"),
        (Forgetful, "losses fall", "unused gets no gradient in stage"),
        (Fragile, "a constant video", "is not finite for frames of 0"),
        (Mute, "what it says", 'must complete "unusual in"'),
        (Credulous, "its own key names", "without any weights is taken"),
    ],
)
def test_a_contract_finds_its_fault(broken: type[SDMAE], name: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        contract(name, detector=broken)()


def test_an_error_of_the_detector_names_the_contract() -> None:
    with pytest.raises(AssertionError, match=r"sdmae-paper: it can be built .*: RecipeError: SDMAE: size"):
        contract("it can", tiny={**ENTRY.tiny, "size": (17, 33)})()


@pytest.mark.slow
def test_a_class_is_found_with_its_entry() -> None:
    held = check_detector(MIL, slow=False)
    assert "mil-paper: bf16 stays near fp32" in held and len(held) == len(checks(MIL_ENTRY)) - 3
