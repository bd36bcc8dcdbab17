"""Small faults, put into the source one at a time: which of them do the tests notice?

    python benchmarks/mutants.py LOG [--seed 0] [--minutes 40] [--only PREFIX] [--again]

The source is copied into a temporary folder, and a fault is planted there: another comparison or operator, a constant
off by one, a condition negated, a call dropped, two arguments swapped, or a result withheld. The quick tests that
mirror the module run until the first one fails. Faults are drawn with a seed, module after module. LOG gets one JSON
line for each. `--again` runs the survivors in LOG once more, after tests were added, and appends what becomes of them.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 120  # longest run of the tests for one fault
# Module, number of faults, the tests that mirror it.
MODULES: dict[str, tuple[int, tuple[str, ...]]] = {
    "models/sdmae.py": (30, ("models/test_sdmae.py", "models/test_sdmae_golden.py", "models/test_sdmae_plain.py")),
    "training/stages.py": (14, ("training/test_stages.py",)),
    "training/sampling.py": (14, ("training/test_sampling.py", "training/test_loop.py")),
    "training/loop.py": (16, ("training/test_loop.py",)),
    "training/session.py": (14, ("training/test_loop.py", "training/test_log.py")),
    "training/checkpoint.py": (8, ("training/test_checkpoint.py", "training/test_loop.py")),
    "training/log.py": (5, ("training/test_log.py", "training/test_loop.py")),
    "scoring/events.py": (10, ("scoring/test_events.py",)),
    "scoring/smooth.py": (7, ("scoring/test_smooth.py",)),
    "scoring/calibrate.py": (12, ("scoring/test_calibrate.py",)),
    "scoring/combine.py": (7, ("scoring/test_combine.py",)),
    "scoring/volume.py": (5, ("scoring/test_volume.py",)),
    "scoring/origin.py": (5, ("scoring/test_origin.py",)),
    "scoring/stream.py": (10, ("scoring/test_stream.py", "scoring/test_pipeline.py")),
    "scoring/bags.py": (5, ("scoring/test_bags.py",)),
    "scoring/files.py": (6, ("scoring/test_files.py",)),
    "workflow/fit.py": (10, ("workflow/test_fit.py", "workflow/test_run.py", "workflow/test_stored_scores.py")),
    "workflow/run.py": (10, ("workflow/test_fit.py", "workflow/test_run.py", "workflow/test_stored_scores.py")),
    "workflow/evaluate.py": (8, ("workflow/test_fit.py", "workflow/test_run.py", "workflow/test_stored_scores.py")),
    "workflow/details.py": (5, ("workflow/test_fit.py", "workflow/test_run.py", "workflow/test_stored_scores.py")),
    "workflow/card.py": (3, ("workflow/test_fit.py", "workflow/test_run.py", "workflow/test_stored_scores.py")),
}
COMPARISONS = [(ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)]
OPERATORS = [(ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.FloorDiv, ast.Mult), (ast.BitAnd, ast.BitOr)]
OTHER = {one: other for pairs in (COMPARISONS, OPERATORS) for pair in pairs for one, other in (pair, pair[::-1])}


def ignored(tree: ast.Module) -> set[ast.AST]:
    """What says nothing of behaviour: annotations, decorators, messages, assertions."""
    roots: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Assert)):
            roots.append(node)
        elif isinstance(node, (ast.AnnAssign, ast.arg)):
            roots.append(node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            roots += node.decorator_list
            roots.append(getattr(node, "returns", None))
    return {below for root in roots if root is not None for below in ast.walk(root)}


def faults(tree: ast.Module) -> Iterator[tuple[str, int, ast.AST, str]]:
    """(what, line, node, kind) of every place for a fault, always in the same order."""
    left_out = ignored(tree)
    for node in ast.walk(tree):
        if node in left_out:
            continue
        match node:
            case ast.Compare(ops=[op]) if type(op) in OTHER:
                yield f"{type(op).__name__} -> {OTHER[type(op)].__name__}", node.lineno, node, "compare"
            case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OTHER:
                yield f"{type(op).__name__} -> {OTHER[type(op)].__name__}", node.lineno, node, "operate"
            case ast.BoolOp(op=op):
                yield "and <-> or", node.lineno, node, "bool"
            case ast.Constant(value=value) if type(value) in (int, float, bool):
                yield f"constant {value!r}", node.lineno, node, "constant"
            case ast.If(test=test) | ast.IfExp(test=test) if "TYPE_CHECKING" not in ast.dump(test):
                yield "condition negated", node.lineno, node, "negate"
            case ast.Expr(value=ast.Call()):
                yield "call dropped", node.lineno, node, "drop"
            case ast.Call(args=[first, second, *_]) if not isinstance(first, ast.Starred):
                if ast.dump(first) != ast.dump(second) and not isinstance(second, ast.Starred):
                    yield "first arguments swapped", node.lineno, node, "swap"
            case ast.Return(value=value) if value is not None and ast.dump(value) != "Constant(value=None)":
                yield "result withheld", node.lineno, node, "return"


def plant(node: ast.AST, kind: str) -> None:
    """Change the node in place."""
    match node, kind:
        case ast.Compare(), _:
            node.ops = [OTHER[type(node.ops[0])]()]
        case ((ast.BinOp() | ast.AugAssign()), _):
            node.op = OTHER[type(node.op)]()
        case ast.BoolOp(), _:
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.Constant(), _:
            node.value = not node.value if isinstance(node.value, bool) else node.value + 1  # type: ignore[operator]
        case ((ast.If() | ast.IfExp()), _):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ((ast.Expr() | ast.Return()), _):
            node.value = ast.Constant(None)
        case ast.Call(), _:
            node.args[:2] = node.args[1::-1]


def verdict(copy: Path, tests: tuple[str, ...]) -> str:
    """ "killed", "survived" or "timeout", of the tests of a copy, run in a fork that finds the libraries imported."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(copy)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.environ["PYTHONPATH"] = str(copy / "src")
        sys.path.insert(0, str(copy / "src"))
        import pytest

        options = ["-x", "-q", "-m", "not slow and not realdata", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        os._exit(int(pytest.main([*options, *(f"tests/{name}" for name in tests)])))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--only", default="", help="modules whose name begins so")
    parser.add_argument("--again", action="store_true", help="the survivors in LOG alone")
    asked = parser.parse_args()
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    import cv2, hypothesis, lightning_fabric, pydantic, pytest, scipy.ndimage, torch  # noqa: E401, F401, I001

    begin = time.monotonic()
    before = [json.loads(line) for line in asked.log.read_text().splitlines()] if asked.log.exists() else []
    known = {(one["module"], one["site"]): one for one in before}
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "oddframe"
        for part in ("src", "tests", "benchmarks"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for module, (count, tests) in MODULES.items():
            if not module.startswith(asked.only):
                continue
            path = copy / "src/oddframe" / module
            source = path.read_text(encoding="utf-8")
            total = len(list(faults(ast.parse(source))))
            sites = random.Random(f"{asked.seed} {module}").sample(range(total), min(count, total))
            if asked.again:
                sites = [site for site in sites if known.get((module, site), {}).get("verdict") == "survived"]
            else:
                sites = [site for site in sites if (module, site) not in known]
            if sites and verdict(copy, tests) != "survived":
                print(f"{module}: its tests fail without a fault", flush=True)
                continue
            for site in sites:
                if time.monotonic() - begin > 60 * asked.minutes:
                    return
                tree = ast.parse(source)
                what, line, node, kind = list(faults(tree))[site]
                plant(node, kind)
                path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
                found = {"module": module, "site": site, "line": line, "fault": what, "verdict": verdict(copy, tests)}
                with asked.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(found) + "\n")
                print(
                    f"{found['verdict']:9} {module}:{line} {what}: {source.splitlines()[line - 1].strip()}", flush=True
                )
            path.write_text(source, encoding="utf-8")


if __name__ == "__main__":
    main()
