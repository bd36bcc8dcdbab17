"""Where the batches of a training come from: gathered by the host, or on the device, where all frames lie.

Frames are uint8, and small beside the memory of a GPU: UCSD Ped2 at 256x256 takes 0.5 GB. Once they lie there, a step
brings the numbers of its frames and the few pixels that are pasted; the device gathers the windows and pastes. The
batches are those of `ClipSet.batch` and `BagSet.batch`, bit for bit: the host draws and projects the objects in both
cases, and what is left is arithmetic of integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oddframe.datasets.bags import BagSet
from oddframe.datasets.clips import ClipSet, Decoded
from oddframe.datasets.pseudo import Cutout, Pasting
from oddframe.datasets.windows import GREY, ignored_pixels
from oddframe.errors import InputError
from oddframe.models.bag_detector import BagBatch
from oddframe.models.detector import Batch
from oddframe.settings import Residence
from oddframe.training.sampling import AnyBatch, Samples, as_batch

SHARE = 0.5  # of the free memory of a device that training data may take: the network needs the rest
AT_ONCE = 256  # frames that are copied to the device at a time


class Drawn(Protocol):
    """A batch on its way to the device; what is left to do there is done in order with all else."""

    def to(self, device: torch.device) -> AnyBatch: ...


class BatchSource(Protocol):
    """Batches of a set of samples, whose `groups` it has. Several threads draw at the same time."""

    @property
    def groups(self) -> Sequence[range]: ...
    def draw(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> Drawn: ...


class HostSource:
    """Batches that the host gathers, as `Samples.batch` says, and copies as a whole."""

    def __init__(self, data: Samples, device: torch.device) -> None:
        self._data, self._pin = data, device.type == "cuda"
        self.groups = data.groups

    def draw(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> AnyBatch:
        return as_batch(self._data.batch(samples, keys, epoch), pin=self._pin)


def open_source(
    data: Samples, device: torch.device, residence: Residence, beside: BatchSource | None = None
) -> tuple[BatchSource, str]:
    """The source of a training's batches, and a line that says why it is the host where the device was an option.

    Args:
        device: that the batches are for.
        residence: "auto" puts the data on a GPU where they take at most half of its free memory; "always" puts them on
            any device; "never" leaves them to the host.
        beside: the source of other samples of the same videos, whose frames need not be copied twice.

    Raises:
        InputError: "always", and the data do not fit, or are of a kind that only the host can gather.
    """
    if residence == "never" or (residence == "auto" and device.type != "cuda"):
        return HostSource(data, device), ""
    if type(data) not in (ClipSet, BagSet):
        if residence == "always":
            raise InputError(
                f"training data of the type {type(data).__name__} cannot lie in the memory of the device; leave out "
                "--resident always"
            )
        return HostSource(data, device), ""
    if isinstance(data, ClipSet) and isinstance(beside, ResidentClips) and beside.videos is data.videos:
        return ResidentClips(data, device, beside.pixels), ""
    needed = _bytes(data)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    if free is not None and needed > SHARE * free:
        what = f"training data take {needed / 1e9:.3g} GB, and the device has {free / 1e9:.3g} GB free"
        if residence == "always":
            raise InputError(f"{what}; half of that must stay free: leave out --resident always, or train on less")
        return HostSource(data, device), f"{what}: they stay with the host, and every batch is copied"
    if isinstance(data, BagSet):
        return ResidentBags(data, device), ""
    assert isinstance(data, ClipSet)
    return ResidentClips(data, device), ""


def _bytes(data: Samples) -> int:
    """Bytes that the data take on a device."""
    if isinstance(data, BagSet):
        return sum(values.nbytes for values in data.features.values())
    assert isinstance(data, ClipSet)
    frame = data.window.size[0] * data.window.size[1] * data.window.channels
    return sum(len(video.frames) for video in data.videos) * frame


def on_device(videos: Sequence[Decoded], device: torch.device) -> Tensor:
    """(N, H, W, C) uint8: the frames of all videos, one video after the other."""
    count, shape = sum(len(video.frames) for video in videos), videos[0].frames.shape[1:]
    pixels = torch.empty((count, *shape), dtype=torch.uint8, device=device)
    place = 0
    for video in videos:
        for begin in range(0, len(video.frames), AT_ONCE):
            part = np.array(video.frames[begin : begin + AT_ONCE])  # out of the memory map
            pixels[place : place + len(part)].copy_(torch.from_numpy(part))
            place += len(part)
    return pixels


class ResidentClips:
    """The windows of a `ClipSet` whose frames lie in the memory of a device.

    Attributes:
        videos: those of the set.
        pixels: (N, H, W, C) uint8, all frames.
    """

    def __init__(self, data: ClipSet, device: torch.device, pixels: Tensor | None = None) -> None:
        """`pixels`: the frames of the same videos, where they are on the device already."""
        self._data, self._pin = data, device.type == "cuda"
        self.groups = data.groups
        self.videos = data.videos
        self.pixels = on_device(data.videos, device) if pixels is None else pixels
        self._first = np.cumsum([0, *(len(video.frames) for video in data.videos)])[:-1]
        ignored = ignored_pixels(data.window.ignored, data.window.size)
        self._ignored = None if ignored is None else torch.from_numpy(ignored.copy()).to(device)

    def draw(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> DrawnClips:
        data, window = self._data, self._data.window
        inputs, targets = len(window.offsets), len(window.target)
        looked = data.look_up(samples)
        cutouts: list[tuple[int, Cutout]] = []
        masks: list[tuple[int, Cutout]] = []
        if data.paster is not None:
            for row in np.flatnonzero(data.paster.chosen(epoch, keys)).tolist():
                video, scored = int(looked.videos[row]), int(looked.scored[row])
                pasting = data.paster.draw(video, looked.frames[row, :inputs], scored, epoch, window.channels)
                _note(pasting, row, looked.frames.shape[1], cutouts, masks)
        index = looked.frames + self._first[looked.videos][:, None]
        return DrawnClips(
            self.pixels,
            self._ignored,
            (inputs, targets),
            self._tensor(index),
            self._tensor(np.asarray(keys, np.int64)),
            self._packed(cutouts, window.size),
            self._packed(masks, window.size),
        )

    def _packed(self, cutouts: list[tuple[int, Cutout]], size: tuple[int, int]) -> tuple[Tensor, Tensor] | None:
        return None if not cutouts else tuple(self._tensor(array) for array in pack(cutouts, size))  # type: ignore[return-value]

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        made = torch.from_numpy(array)
        return made.pin_memory() if self._pin else made


def _note(
    pasting: Pasting,
    row: int,
    frames: int,
    cutouts: list[tuple[int, Cutout]],
    masks: list[tuple[int, Cutout]],
) -> None:
    """Add the cutouts of a sample, each with the number of its image among `frames` of every sample of the batch."""
    cutouts += [(row * frames + t, cutout) for t, cutout in enumerate(pasting.cutouts) if cutout is not None]
    if pasting.mask is not None:
        top, left, alpha = pasting.mask
        masks.append((row, Cutout(top, left, np.zeros_like(alpha), alpha[..., None])))


def pack(cutouts: Sequence[tuple[int, Cutout]], size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Cutouts of several images as two arrays, all made as large as the largest; what is added changes no pixel.

    Args:
        cutouts: number of the image, and its cutout. No image has two.
        size: (H, W) of the images.

    Returns:
        (S,) number of the pixel at the top left of each, counted over all images, and (S, h, w, 1 + C): alpha and what
        is shown.
    """
    height = max(cutout.alpha.shape[0] for _, cutout in cutouts)
    width = max(cutout.alpha.shape[1] for _, cutout in cutouts)
    corners = np.empty(len(cutouts), np.int64)
    content = np.zeros((len(cutouts), height, width, 1 + cutouts[0][1].shown.shape[2]), np.uint8)
    for number, (image, cutout) in enumerate(cutouts):
        tall, wide = cutout.alpha.shape
        top, left = min(cutout.top, size[0] - height), min(cutout.left, size[1] - width)  # all of it inside the image
        corners[number] = (image * size[0] + top) * size[1] + left
        part = content[number, cutout.top - top :, cutout.left - left :]
        part[:tall, :wide, 0], part[:tall, :wide, 1:] = cutout.alpha, cutout.shown
    return corners, content


def lay_all(images: Tensor, corners: Tensor, content: Tensor) -> None:
    """Lay packed cutouts over images (n, H, W, C) uint8, contiguous, in place; see `oddframe.datasets.pseudo.lay`."""
    height, width, device = content.shape[1], content.shape[2], images.device
    down = torch.arange(height, device=device)[:, None] * images.shape[2]
    place = corners[:, None, None] + down + torch.arange(width, device=device)
    pixels = images.view(-1, images.shape[3])
    kept = (pixels[place].int() * (255 - content[..., :1].int()) + 127).div(255, rounding_mode="floor")
    pixels[place] = (kept + content[..., 1:].int()).clamp_(max=255).to(torch.uint8)


@dataclass(frozen=True)
class DrawnClips:
    """B windows of which it is known what they show; `to` gathers them.

    Attributes:
        pixels: (N, H, W, C) all frames, on the device.
        ignored: (H, W) bool, pixels to paint over; None without any.
        parts: how many frames of a window are its input, and how many its target.
        index: (B, K) which frames.
        key: (B,) see `Batch`.
        cutouts, masks: what `pack` made for the B * K frames, and for the B masks; None where nothing is pasted.
    """

    pixels: Tensor
    ignored: Tensor | None
    parts: tuple[int, int]
    index: Tensor
    key: Tensor
    cutouts: tuple[Tensor, Tensor] | None
    masks: tuple[Tensor, Tensor] | None

    def to(self, device: torch.device) -> Batch:
        index, key = (tensor.to(device, non_blocking=True) for tensor in (self.index, self.key))
        count, each = index.shape
        images = self.pixels.index_select(0, index.flatten())
        pasted = torch.zeros((count, *images.shape[1:3]), dtype=torch.uint8, device=device)
        if self.cutouts is not None:
            lay_all(images, *_moved(self.cutouts, device))
        if self.masks is not None:
            lay_all(pasted[..., None], *_moved(self.masks, device))
        if self.ignored is not None:
            images.masked_fill_(self.ignored[..., None], GREY)
            pasted.masked_fill_(self.ignored, 0)
        inputs, targets = self.parts
        frames, target, context = images.unflatten(0, (count, each)).split(
            [inputs, targets, each - inputs - targets], 1
        )
        return Batch(frames, target, key, context, pasted)


def _moved(tensors: Iterable[Tensor], device: torch.device) -> list[Tensor]:
    return [tensor.to(device, non_blocking=True) for tensor in tensors]


class ResidentBags:
    """The bags of a `BagSet` whose features lie in the memory of a device."""

    def __init__(self, data: BagSet, device: torch.device) -> None:
        self._data, self._pin = data, device.type == "cuda"
        self.groups = data.groups
        self._features = {name: torch.from_numpy(values).to(device) for name, values in data.features.items()}

    def draw(self, samples: NDArray[np.int64], keys: NDArray[np.int64], epoch: int) -> DrawnBags:
        label = self._data.labels[samples]
        arrays = (samples, label, self._data.first + samples, np.asarray(keys, np.int64))
        tensors = [torch.from_numpy(array) for array in arrays]
        row, *rest = [tensor.pin_memory() if self._pin else tensor for tensor in tensors]
        return DrawnBags(self._features, row, BagBatch({}, *rest))


@dataclass(frozen=True)
class DrawnBags:
    """N bags; `to` gathers their features. `row`: (N,) their numbers; `batch`: all but the features."""

    features: dict[str, Tensor]
    row: Tensor
    batch: BagBatch

    def to(self, device: torch.device) -> BagBatch:
        row, batch = self.row.to(device, non_blocking=True), self.batch.to(device)
        features = {name: values.index_select(0, row) for name, values in self.features.items()}
        return BagBatch(features, batch.label, batch.index, batch.key)
