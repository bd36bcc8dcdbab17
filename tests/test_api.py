"""What `import oddframe` offers."""

from __future__ import annotations

from pathlib import Path

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


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    for name in oddframe.__all__:
        thing = getattr(oddframe, name)
        assert name == "__version__" or (thing.__doc__ and not thing.__doc__.startswith(f"{name}(")), name


def test_the_public_names_are_those_of_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    missing = [name for name in oddframe.__all__ if name != "__version__" and f"`{name}" not in page]
    assert not missing, "docs/reference/python.md says what each is for"
