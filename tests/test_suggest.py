"""A name that does not exist is answered with the names that look like it, and with all there are."""

from __future__ import annotations

import doctest

import pytest

from oddframe import suggest
from oddframe.suggest import among, near, one_of

MODELS = ["camera", "sdmae", "memae", "mnad", "std", "mpn"]


@pytest.mark.parametrize(
    ("name", "meant"), [("sdmea", "sdmae"), ("SDMAE", "sdmae"), ("memaee", "memae"), ("camra", "camera")]
)
def test_the_best_name_comes_first(name: str, meant: str) -> None:
    assert near(name, MODELS)[0] == meant
    assert among(name, MODELS).startswith(f"; did you mean {meant}")


def test_a_name_unlike_all_gets_the_list_alone() -> None:
    assert near("yolo", MODELS) == []
    assert among("yolo", MODELS) == "; there are: camera, sdmae, memae, mnad, std, mpn"
    assert among("yolo", []) == "; there are: "


def test_values_are_listed_with_or() -> None:
    assert one_of("x", ["only"]) == "; choose only"
    assert one_of("bf61", ["fp32", "bf16", "int8"]) == "; did you mean bf16? (choose fp32, bf16 or int8)"


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(suggest).failed == 0
