"""What `import oddframe` offers."""

from __future__ import annotations

import pytest

import oddframe
from oddframe import settings
from oddframe.runtime import runtime
from oddframe.workflow import adapt, fit, run


def test_public_names_are_those_of_the_floors_below() -> None:
    assert oddframe.RuntimeOptions is runtime.RuntimeOptions
    assert oddframe.adapt is adapt.adapt
    assert oddframe.fit is fit.fit
    assert oddframe.TrainingOptions is settings.TrainingOptions
    assert oddframe.ThresholdOptions is settings.ThresholdOptions
    assert oddframe.load_run is run.load_run
    assert oddframe.Run is run.Run
    assert dir(oddframe) == sorted(oddframe.__all__)


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        oddframe.fitt  # noqa: B018
