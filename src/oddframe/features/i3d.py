"""I3D (inflated Inception-V1) for RGB as extractor: 1024 numbers for 16 frames.

Carreira, Zisserman: "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", CVPR 2017, arXiv:1705.07750.
The weights are DeepMind's, converted by piergiaj (rgb_imagenet.pt). Layers and I3DMixed blocks have the names of its
keys. The weights come from TensorFlow, where "same" padding depends on the input length and may be longer by one at the
end.

Shape letters: B clips, C channels, T frames, H x W pixels; t x h x w places of the last feature map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.features.extractor import ExtractorPrecision, Preprocessing
from oddframe.features.network import NetworkExtractor
from oddframe.features.weights import named_tensors
from oddframe.models.reference import load_exactly

CLASSES = 400

# Output channels of the branches: 1x1x1; 1x1x1 and 3x3x3; a second, smaller 1x1x1 and 3x3x3; 1x1x1 after max pooling.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
WIDTHS = [192] + [c[0] + c[2] + c[4] + c[5] for c in MIXED.values()]

PREPROCESSING = Preprocessing(resize=256, crop=(224, 224), colour="rgb", mean=(127.5,) * 3, std=(127.5,) * 3)


def same_padding(shape: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """Zeros before and after each axis for ceil(length / stride) outputs, in the order of `F.pad`: last axis first."""
    padding: list[int] = []
    for length, k, s in zip(reversed(shape), reversed(kernel), reversed(stride), strict=True):
        total = max(k - (length % s or s), 0)
        padding += [total // 2, total - total // 2]
    return padding


class ConvUnit(nn.Module):
    """Convolution, followed by BatchNorm and ReLU except in the last layer."""

    def __init__(self, wide: int, out: int, kernel: int = 1, stride: int = 1, last: bool = False) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(wide, out, kernel, stride, bias=last)
        self.bn = None if last else nn.BatchNorm3d(out, eps=1e-3, momentum=0.01)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        conv = self.conv3d
        padding = same_padding(x_BCTHW.shape[2:], conv.kernel_size, conv.stride)
        if padding[::2] == padding[1::2]:  # equal padding on both sides needs no padded copy of the input
            y_BCTHW = F.conv3d(x_BCTHW, conv.weight, conv.bias, conv.stride, tuple(padding[::-2]))
        else:
            y_BCTHW = conv(F.pad(x_BCTHW, padding))
        return y_BCTHW if self.bn is None else F.relu_(self.bn(y_BCTHW))


class MaxPool(nn.Module):
    """Max pooling with "same" padding. Padding with zeros is correct, because every input comes from a ReLU."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        padded = F.pad(x_BCTHW, same_padding(x_BCTHW.shape[2:], self.kernel, self.stride))
        return F.max_pool3d(padded, self.kernel, self.stride)


class I3DMixed(nn.Module):
    """An Inception block with four parallel branches."""

    def __init__(self, wide: int, channels: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = ConvUnit(wide, b0)
        self.b1a, self.b1b = ConvUnit(wide, b1a), ConvUnit(b1a, b1b, 3)
        self.b2a, self.b2b = ConvUnit(wide, b2a), ConvUnit(b2a, b2b, 3)
        self.b3a, self.b3b = MaxPool((3, 3, 3), (1, 1, 1)), ConvUnit(wide, b3b)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        branches = (
            self.b0(x_BCTHW),
            self.b1b(self.b1a(x_BCTHW)),
            self.b2b(self.b2a(x_BCTHW)),
            self.b3b(self.b3a(x_BCTHW)),
        )
        return torch.cat(branches, 1)


class I3D(nn.Module):
    """The I3D network: 12,697,264 parameters, including the classifier for the 400 classes of Kinetics."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = ConvUnit(3, 64, 7, 2)
        self.MaxPool3d_2a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = ConvUnit(64, 64)
        self.Conv3d_2c_3x3 = ConvUnit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        mixed = {
            name: I3DMixed(wide, channels)
            for (name, channels), (wide, _) in zip(MIXED.items(), pairwise(WIDTHS), strict=True)
        }
        self.Mixed_3b, self.Mixed_3c = mixed["Mixed_3b"], mixed["Mixed_3c"]
        self.MaxPool3d_4a_3x3 = MaxPool((3, 3, 3), (2, 2, 2))
        self.Mixed_4b, self.Mixed_4c, self.Mixed_4d = mixed["Mixed_4b"], mixed["Mixed_4c"], mixed["Mixed_4d"]
        self.Mixed_4e, self.Mixed_4f = mixed["Mixed_4e"], mixed["Mixed_4f"]
        self.MaxPool3d_5a_2x2 = MaxPool((2, 2, 2), (2, 2, 2))
        self.Mixed_5b, self.Mixed_5c = mixed["Mixed_5b"], mixed["Mixed_5c"]
        self.logits = ConvUnit(WIDTHS[-1], CLASSES, last=True)

    def features(self, x_BCTHW: Tensor) -> Tensor:
        """(B, 3, T, H, W) RGB in [-1, 1] to (B, 1024, t - 1): means over two time steps and all positions.

        t is T/8 rounded up. It must be at least 2, so T is at least 9. 16 frames give one vector, 64 frames seven.
        """
        for name, layer in self.named_children():
            if name != "logits":
                x_BCTHW = layer(x_BCTHW)
        return F.avg_pool3d(x_BCTHW, (2, *x_BCTHW.shape[3:]), 1)[..., 0, 0]

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, 400, t - 1): logits of Kinetics' classes."""
        features_BCt = self.features(x_BCTHW)
        logits: Tensor = self.logits(features_BCt[..., None, None])
        return logits[..., 0, 0]


class I3DExtractor(NetworkExtractor):
    """Extracts one vector per snippet: the mean over time of `I3D.features`."""

    network: I3D
    spec, dim, kind, least = "i3d", WIDTHS[-1], "clips", 9

    @classmethod
    def open(cls, weights: Path, name: str = "i3d", precision: ExtractorPrecision = "fp32") -> Self:
        """Read a file with the keys of rgb_imagenet.pt.

        Raises:
            BundleError: it is not such a file. The message names the first missing or unknown key.
        """
        network = I3D()
        load_exactly(network, named_tensors(weights), str(weights), advice="wanted is rgb_imagenet.pt of piergiaj")
        return cls(network, PREPROCESSING, name, precision)

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        return I3D()

    def vectors(self, x_BCTHW: Tensor) -> Tensor:
        return self.network.features(x_BCTHW).mean(2)
