"""The reader of YAML: a key stands once, and a fault quotes nothing."""

from __future__ import annotations

import pytest

from oddframe.reading.yaml_values import yaml_value


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stood before in line 2, column 1"):
        yaml_value("cameras: {a: 1}\ncameras: {b: 2}\n")
    with pytest.raises(ValueError, match="stood before in line 3"):
        yaml_value("cameras:\n  a: 1\n  a: 2\n")
    assert yaml_value("base: &x {a: 1, b: 2}\nown: {<<: *x, a: 3}\n") == {
        "base": {"a": 1, "b": 2},
        "own": {"a": 3, "b": 2},
    }


@pytest.mark.parametrize(
    "text", ["a: {source: rtsp://u:geheim99@h/x, source: test:}", "a: rtsp://u:geheim99@h [x: 'geheim99"]
)
def test_a_fault_quotes_nothing(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        yaml_value(text)
    assert "geheim99" not in str(caught.value) and "line 1" in str(caught.value)
