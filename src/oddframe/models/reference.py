"""Loading what others trained and published: tensors alone, and exactly the keys of our own network.

Checkpoints come wrapped. `released_tensors` opens them by one rule for every system, and `load_exactly` calls it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from oddframe.errors import BundleError
from oddframe.reading.guard import reading

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params")
"""Keys under which programs put the state dict, beside the epoch, the optimiser and the like."""
LEADING = ("module.", "_orig_mod.")
"""What torch puts in front of every key: DataParallel and DistributedDataParallel, and `torch.compile`."""
OWNERS = ("model.", "net.", "network.")
"""What a trainer's own module puts in front of every key, as those of Lightning do."""


def released_tensors(
    state: Mapping[str, Any], what: str, beside: tuple[str, ...] = (), own: Collection[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a state dict by name, without wrappers around it and without prefixes in front of all names.

    A state dict under one of `WRAPPERS` is taken out, however often that is nested. `LEADING` is removed from every
    name that has it, and `OWNERS` where all names have it.

    Args:
        state: what the file holds.
        what: names the checkpoint in messages.
        beside: names of tensors that may stand outside the wrapper and are kept.
        own: names that the network itself has; one of `OWNERS` that begins them is no wrapper.

    Raises:
        BundleError: a value is no tensor, or two names are the same without their prefixes.
    """
    outside: dict[str, Any] = {}
    while (key := next((key for key in WRAPPERS if isinstance(state.get(key), Mapping)), None)) is not None:
        outside |= {name: state[name] for name in beside if name in state}
        state = state[key]
    named: dict[str, Tensor] = {}
    for full, value in {**outside, **state}.items():
        if not isinstance(value, Tensor):
            raise BundleError(
                f"{what}: {full} is a {type(value).__name__}, not a tensor; give a file with a state dict"
            )
        name = str(full).replace("._orig_mod.", ".")
        while name.startswith(LEADING):
            name = name.removeprefix("module.").removeprefix("_orig_mod.")
        if name in named:
            raise BundleError(f"{what}: holds {name} twice, with a prefix and without; keep one state dict in the file")
        named[name] = value
    for owner in OWNERS:
        inside = [name for name in named if name not in outside]
        wrapped = not any(name.startswith(owner) for name in own)
        if wrapped and inside and all(name.startswith(owner) for name in inside):
            named = {name if name in outside else name.removeprefix(owner): value for name, value in named.items()}
    return named


def load_exactly(
    model: nn.Module,
    state: Mapping[str, Any],
    what: str,
    hints: Mapping[str, str] | None = None,
    advice: str = "check the recipe's preset and options",
) -> None:
    """Load `state`, as `released_tensors` opens it, into `model`; BatchNorm's counters may be missing, nothing else.

    Args:
        what: names the checkpoint in messages.
        hints: key prefix -> what it means that keys like this are missing.
        advice: what to do where the checkpoint is one of another network.

    Raises:
        BundleError: a key is missing or unknown, a shape differs, or a value is NaN; the message names the first.
    """
    own = model.state_dict()
    state = released_tensors(state, what, own=own.keys())
    for name, value in own.items():
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, value)
        elif name not in state:
            hint = next((f" ({text})" for prefix, text in (hints or {}).items() if name.startswith(prefix)), None)
            raise BundleError(f"{what} lacks {name}{hint or f'; {advice}'}")
        elif state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, this network needs {tuple(value.shape)}"
            raise BundleError(f"{what}: {name} is {shapes}; {advice}")
        elif state[name].is_floating_point() and not bool(state[name].isfinite().all()):
            raise BundleError(
                f"{what}: {name} holds NaN or infinity: its training went astray; take another checkpoint"
            )
    extra = sorted(state.keys() - own.keys())
    if extra:
        raise BundleError(f"{what} has {extra[0]}, which this network does not know; {advice}")
    model.load_state_dict(state)


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a foreign .pth/.pt/.safetensors file holds, without running any code that is in it.

    The first bytes decide which of the formats it is, not the name.

    Raises:
        BundleError: the file is missing, is no checkpoint, or needs unpickling of objects.
    """
    if not path.is_file():
        raise BundleError(f"{path}: there is no such checkpoint")
    fault, remedy = "not a checkpoint that torch or safetensors can read", "download or save it again"
    with reading(path, fault, remedy, BundleError):
        with path.open("rb") as file:
            head = file.read(9)
        safe = head[8:] == b"{" and not head.startswith(b"PK")  # eight bytes of length, then JSON; "PK" begins a zip
        if safe:
            return load_file(path)
        if head.startswith(b"PK"):
            with ZipFile(path) as archive:
                packed = [info for info in archive.infolist() if info.compress_type != ZIP_STORED]
            if packed:  # torch compresses nothing: a small file could stand for any amount of memory
                raise ValueError(f"{packed[0].filename} in it is compressed, which torch never does")
        try:
            with path.open("rb") as file:  # by its path, torch would judge a file by its suffix
                content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            found = re.search(r"GLOBAL ([\w.]+)", str(error))
            if found:
                raise BundleError(
                    f"{path}: holds pickled Python objects ({found[1]}) besides tensors, and unpickling can run "
                    f"any code; where you trust the file, keep its tensors alone: torch.save(torch.load(FILE, "
                    f'weights_only=False)["model"], NEW), or .state_dict() in place of ["model"] where the file is a '
                    f"whole network"
                ) from error
            raise
        if not isinstance(content, Mapping):
            raise BundleError(f"{path}: holds a {type(content).__name__}, not a state dict; save network.state_dict()")
        return content
