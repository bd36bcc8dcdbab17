"""Checkpoints of others: one rule for wrappers and prefixes, the same for every system, and a line for every fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from oddframe.errors import BundleError
from oddframe.models.reference import LEADING, OWNERS, load_exactly, read_checkpoint, released_tensors
from oddframe.models.registry import create, entry, names

Wrap = Callable[[dict[str, Any]], Mapping[str, Any]]


def prefixed(*parts: str) -> Wrap:
    return lambda state: {"".join(parts) + name: value for name, value in state.items()}


WRAPPED: dict[str, Wrap] = {
    "as it is": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 1.0}},
    "model": lambda state: {"model": state, "epoch": 3, "best": torch.tensor(0.9)},
    "net": lambda state: {"net": state},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.1},
    "nested": lambda state: {"checkpoint": 1, "state_dict": {"model": state}},
    "DataParallel": prefixed("module."),
    "DataParallel, wrapped": lambda state: {"state_dict": prefixed("module.")(state)},
    "compiled": prefixed("_orig_mod."),
    "compiled and parallel": prefixed("module.", "_orig_mod."),
    "parallel and compiled": prefixed("_orig_mod.", "module."),
    "Lightning": lambda state: {"state_dict": prefixed("model.")(state), "pytorch-lightning_version": "2.0"},
    "Lightning, compiled": lambda state: {"state_dict": prefixed("net._orig_mod.")(state)},
}
BACKBONES = {"dakd": {"backbones": {"seen": 4, "heard": 4}}}
NETWORKS = [name for name in names() if hasattr(entry(name).detector, "state_dict")]


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("model", ["memae", "mnad", "mpn", "sdmae", "std", "dakd", "mil"])
def test_every_system_opens_the_same_wrappers(model: str, wrap: Wrap) -> None:
    torch.manual_seed(0)
    own = create(model, **entry(model).tiny, **BACKBONES.get(model, {}))
    assert isinstance(own, nn.Module)
    state = {name: torch.randn_like(value) if value.is_floating_point() else value + 1
             for name, value in own.state_dict().items()}  # fmt: skip
    own.load_reference_state_dict(wrap(state))
    assert all(torch.equal(value, state[name]) for name, value in own.state_dict().items())


@pytest.mark.parametrize("model", NETWORKS)
def test_no_network_has_the_names_that_are_removed(model: str) -> None:
    keys = list(create(model, **entry(model).tiny, **BACKBONES.get(model, {})).state_dict())
    assert not any(key.startswith(LEADING) or "._orig_mod." in key for key in keys)
    assert not keys or not any(all(key.startswith(owner) for key in keys) for owner in OWNERS)


def test_what_stands_beside_the_wrapper_is_kept_where_it_is_named() -> None:
    inner, keys = {"module.a": torch.ones(2)}, torch.zeros(3)
    assert sorted(released_tensors({"model": inner, "keys": keys}, "x", beside=("keys",))) == ["a", "keys"]
    assert sorted(released_tensors({"model": inner, "keys": keys}, "x")) == ["a"]
    found = released_tensors({"state_dict": {"model.a": torch.ones(2)}, "keys": keys}, "x", beside=("keys",))
    assert sorted(found) == ["a", "keys"]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"weight": torch.ones(1, 2), "bias": "none"}, "bias is a str, not a tensor"),
        ({"weight": torch.ones(1, 2), "module.weight": torch.ones(1, 2)}, "holds weight twice"),
        ({"weight": torch.tensor([[1.0, torch.nan]]), "bias": torch.ones(1)}, "weight holds NaN or infinity"),
        ({"weight": torch.ones(1, 2)}, "lacks bias"),
        ({"weight": torch.ones(1, 2), "bias": torch.ones(1), "extra": torch.ones(1)}, "has extra, which"),
        ({"weight": torch.ones(2, 1), "bias": torch.ones(1)}, r"weight is \(2, 1\), this network needs \(1, 2\)"),
        ({"state_dict": None}, "state_dict is a NoneType, not a tensor"),
    ],
)
def test_what_does_not_fit_is_named(state: Mapping[str, Tensor], says: str) -> None:
    with pytest.raises(BundleError, match=f"my file.*{says}"):
        load_exactly(nn.Linear(2, 1), state, "my file")


def test_the_content_decides_what_a_file_is_and_not_its_name(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "named.pth")
    torch.save({"a": torch.ones(2)}, tmp_path / "named.safetensors")
    for name in ("named.pth", "named.safetensors"):
        assert torch.equal(read_checkpoint(tmp_path / name)["a"], torch.ones(2))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty: get it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>please log in</html>", "the file is a web page"),
        (b"\x10\0\0\0\0\0\0\0{broken", "download or save it again"),
        (b"PK\x03\x04 cut off", "download or save it again"),
    ],
)
def test_files_that_are_no_checkpoint_are_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(BundleError, match=rf"x\.pth: not a checkpoint .*{says}") as caught:
        read_checkpoint(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


def test_a_whole_network_is_refused_with_the_way_around(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 1), tmp_path / "x.pth")
    with pytest.raises(BundleError, match=r"x\.pth: holds pickled Python objects.*state_dict\(\)"):
        read_checkpoint(tmp_path / "x.pth")
    torch.save([torch.ones(1)], tmp_path / "x.pth")
    with pytest.raises(BundleError, match="holds a list, not a state dict"):
        read_checkpoint(tmp_path / "x.pth")
