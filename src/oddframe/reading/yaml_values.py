"""The one reader of YAML: recipes, plans of benchmarks, and descriptions of networks.

Tags that make Python objects are refused, as in every safe loader. So are texts that would grow without measure: a few
lines whose aliases stand for each other stand for billions of values.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

LONGEST = 1 << 20
"""Characters of a text."""
MOST = 100_000
"""Values that a text stands for, with all aliases written out."""
DEEPEST = 50
"""Lists and mappings in each other."""


class _Loader(yaml.SafeLoader):
    """YAML as people write it: 1e-3 is a number, which YAML 1.1 takes for a text, and a key stands once.

    YAML lets a second key replace the first one without a word.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        known: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in known:
                    raise yaml.MarkedYAMLError(
                        problem="a key stands here that stood before", problem_mark=key.start_mark
                    )
                known.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def yaml_value(text: str) -> Any:
    """The value that a YAML text says.

    Raises:
        ValueError: it is no YAML, it asks for Python objects, or it stands for more than this module allows.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters, more than the {LONGEST} that are read")
    try:
        value = yaml.load(text, _Loader)  # noqa: S506  # a safe loader, with one more form of numbers
        _count(value, {}, DEEPEST)
        return value
    except RecursionError:
        raise ValueError("its lists and mappings are nested without end") from None
    except yaml.MarkedYAMLError as error:
        raise ValueError(_told(error)) from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _told(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, and where. PyYAML itself would quote the line, which may hold a password."""
    mark = error.problem_mark or error.context_mark
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    problem = error.problem or error.context or "this is no YAML"
    if error.context and problem.startswith("but "):  # the second half of a sentence
        problem = f"{error.context}, {problem}"
    return f"{problem}{where}"


def _count(value: object, known: dict[int, int], deeper: int) -> int:
    """How many values there are in one, itself included."""
    if not isinstance(value, dict | list | set | tuple):
        return 1
    if not deeper:
        raise RecursionError
    if id(value) not in known:
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(part, known, deeper - 1) for part in parts)
        if known[id(value)] > MOST:
            raise ValueError(f"its aliases stand for more than {MOST} values")
    return known[id(value)]
