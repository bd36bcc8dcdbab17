"""What `import oddframe` offers."""

from __future__ import annotations

import pytest

import oddframe
from oddframe import workflow


def test_public_names_are_those_of_the_workflow() -> None:
    assert oddframe.adapt is workflow.adapt
    assert oddframe.fit is workflow.fit
    assert oddframe.load_run is workflow.load_run
    assert oddframe.Run is workflow.Run
    assert dir(oddframe) == sorted(oddframe.__all__)


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        oddframe.fitt  # noqa: B018
