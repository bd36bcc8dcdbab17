"""The contracts of a detector, for everybody who writes one.

    from oddframe.testing import check_detector
    check_detector(ENTRY)

`check_detector` runs every contract on the tiny configuration of the entry, in all its presets and variants, and raises
an `AssertionError` that names the contract and the preset. It needs the extra `torch` and no test framework.
A test suite that wants one test per contract goes through `checks`:

    @pytest.mark.parametrize("check", checks(ENTRY), ids=str)
    def test_my_detector(check):
        check()
"""

from __future__ import annotations

import sys

from oddframe.errors import InputError
from oddframe.models.catalogue import ModelEntry
from oddframe.models.fitted import FittedDetector
from oddframe.models.learner import Learner
from oddframe.testing.check import Check

__all__ = ["Check", "check_detector", "checks"]


def check_detector(detector: ModelEntry | type[Learner] | type[FittedDetector], *, slow: bool = True) -> list[str]:
    """Hold a detector against every contract of its kind.

    Args:
        detector: its entry, or its class if the entry stands in the module of the class.
        slow: also run the contracts that take seconds: the exported graph, and training on two devices.

    Returns:
        The names of the contracts that hold, each with its preset. The contract of the exported graph is only among
        them where onnx, onnxscript and onnxruntime are installed.

    Raises:
        AssertionError: a contract is broken; the message names it.
        InputError: a class whose module has no entry of it.
    """
    held = []
    for check in checks(detector):
        if slow or not check.slow:
            check()
            held.append(str(check))
    return held


def checks(detector: ModelEntry | type[Learner] | type[FittedDetector]) -> list[Check]:
    """The contracts of a detector, one for each preset and variant, to be called one by one.

    Raises:
        InputError: a class whose module has no entry of it.
    """
    about = detector if isinstance(detector, ModelEntry) else _entry_of(detector)
    if about.kind == "windows":
        from oddframe.testing.windows import window_checks as found
    elif about.kind == "bags":
        from oddframe.testing.bags import bag_checks as found
    else:
        from oddframe.testing.fitted import fitted_checks as found
    return found(about)


def _entry_of(detector: type[Learner] | type[FittedDetector]) -> ModelEntry:
    for value in vars(sys.modules[detector.__module__]).values():
        if isinstance(value, ModelEntry) and value.detector is detector:
            return value
    raise InputError(f"{detector.__module__} has no ModelEntry of {detector.__name__}; give check_detector the entry")
