"""A contract as something that can be called, and what the contracts of all kinds of detectors share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddframe.errors import BundleError, OddframeError
from oddframe.models.catalogue import ModelEntry

HALF = 0.02
"""How far bf16 may lie from fp32: a share of the largest value of a component, five steps of its eight bits."""

COST = 5e-3
"""How far a stated cost may lie from the counted one."""


@dataclass(frozen=True)
class Case:
    """A system in one preset, with what a variant changes, at the tiny size."""

    about: ModelEntry
    preset: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return "-".join([self.about.name, self.preset, *(f"{key}={value}" for key, value in self.options.items())])


@dataclass(frozen=True)
class Check:
    """A contract, ready to be called. It raises an `AssertionError` where the contract is broken.

    Attributes:
        case: which system, in which preset.
        name: what holds.
        run: the contract.
        slow: it takes seconds.
    """

    case: Case
    name: str
    run: Callable[[Case], None]
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.case}: {self.name}"

    def __call__(self) -> None:
        try:
            self.run(self.case)
        except AssertionError as error:
            raise AssertionError(f"{self}: {error}") from error
        except (OddframeError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise AssertionError(f"{self}: {type(error).__name__}: {error}") from error


def cases(about: ModelEntry) -> list[Case]:
    """Every preset as it is, and the variants."""
    return [
        *(Case(about, preset, {}) for preset in about.presets),
        *(Case(about, preset, options) for preset, options in about.variants),
    ]


def equipped(*libraries: str) -> bool:
    """Whether all of these libraries are installed."""
    return all(find_spec(library) is not None for library in libraries)


def require(condition: object, message: str) -> None:
    """An assertion that also holds where Python runs without assertions."""
    if not condition:
        raise AssertionError(message)


def require_near(got: ArrayLike, wanted: ArrayLike, share: float, what: str) -> None:
    """Every value lies within a share of the largest of `wanted`; equal infinities and NaNs are a fault.

    The tolerance follows the size of a component, so that values near zero in place of large ones are always a fault.
    """
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    require(got.shape == wanted.shape, f"{what}: shape {got.shape}, not {wanted.shape}")
    require(np.isfinite(got).all() and np.isfinite(wanted).all(), f"{what}: not finite")
    if not wanted.size:
        return
    size, off = np.abs(wanted).max(), np.abs(got - wanted).max()
    require(
        off <= share * size, f"{what}: off by {off:.3g}, and {share:g} of its largest value, {size:.3g}, is allowed"
    )


def require_close(got: ArrayLike, wanted: ArrayLike, what: str) -> None:
    """The same values but for rounding in float32."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    require(got.shape == wanted.shape, f"{what}: shape {got.shape}, not {wanted.shape}")
    require(np.allclose(got, wanted, rtol=1e-4, atol=1e-6), f"{what}: off by {np.abs(got - wanted).max():.3g}")


def require_equal(got: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]], what: str) -> None:
    """The same names with the same bits."""
    require(got.keys() == wanted.keys(), f"{what}: {', '.join(got)}, not {', '.join(wanted)}")
    for name, values in wanted.items():
        require(np.array_equal(got[name], values), f"{what}: {name} differs")


def require_words(components: Mapping[str, str]) -> None:
    """Every component says in words what it tells; they complete "unusual in ..."."""
    for name, words in components.items():
        fine = words and words[0].islower() and not words.endswith(".")
        require(fine, f'component {name}: {words!r} must complete "unusual in": lower case, no full stop')


def entry_is_whole(case: Case) -> None:
    """Title, paper and licence are there, and the protocols and recipes can be read."""
    from oddframe.evaluation.protocols import read_protocols
    from oddframe.recipes import read_recipe

    about = case.about
    for field in ("name", "title", "paper", "licence", "presets"):
        require(getattr(about, field), f"the entry says nothing of its {field}")
    read_protocols(about)
    for name, text in about.recipes.items():
        recipe = read_recipe(name, text)
        require(recipe.model == about.name, f"recipe {name} is of the model {recipe.model}")
        require(recipe.preset in about.presets, f"recipe {name} asks for a preset {recipe.preset!r} that there is not")


def require_refused(call: Callable[[], object], message: str) -> None:
    """The call raises a `BundleError`."""
    try:
        call()
    except BundleError:
        return
    raise AssertionError(message)


class Interrupted:
    """Samples during the n-th batch of which somebody presses Ctrl-C."""

    def __init__(self, data: Any, at: int) -> None:
        self.data, self.left, self.groups = data, at, data.groups

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return self.data.batch(*arguments)
