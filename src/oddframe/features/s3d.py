"""S3D (I3D with separate convolutions in space and time) as extractor: 1024 numbers for a clip of 14 or more frames.

Xie, Sun, Huang, Tu, Murphy: "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in Video
Classification", ECCV 2018, arXiv:1712.04851 (without its gating).

Two sets of weights for Kinetics-400 are published, torchvision's and kylemin's. They have the same architecture,
different key names and different preprocessing. The keys of a file decide which set it is. Modules here have
torchvision's names.

Shape letters: B clips, C channels, T frames, H x W pixels; t x h x w places of the last feature map.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oddframe.errors import BundleError
from oddframe.features.extractor import ExtractorPrecision, Preprocessing
from oddframe.features.network import NetworkExtractor
from oddframe.features.weights import named_tensors
from oddframe.models.reference import load_exactly

CLASSES = 400
DIM = 1024

TORCHVISION = Preprocessing(
    resize=(256, 256),
    crop=(224, 224),
    colour="rgb",
    mean=(0.43216 * 255, 0.394666 * 255, 0.37645 * 255),
    std=(0.22803 * 255, 0.22145 * 255, 0.216989 * 255),
)
KYLEMIN = Preprocessing(resize=256, crop=(224, 224), colour="rgb", mean=(127.5,) * 3, std=(127.5,) * 3)

# Patterns of kylemin's names and their replacements here, applied in this order.
RENAMED = (
    (r"^base\.", "features."),
    (r"^fc\.0\.", "classifier.1."),
    (r"\.branch0\.0\.", ".branch0."),
    (r"\.conv_s\.", ".0.0."),
    (r"\.bn_s\.", ".0.1."),
    (r"\.conv_t\.", ".1.0."),
    (r"\.bn_t\.", ".1.1."),
    (r"\.conv\.", ".0."),
    (r"\.bn\.", ".1."),
)


def unit(
    wide: int,
    out: int,
    kernel: tuple[int, int, int] = (1, 1, 1),
    stride: tuple[int, int, int] = (1, 1, 1),
) -> nn.Sequential:
    """Convolution, BatchNorm and ReLU, with zero padding of half a kernel on every side."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(wide, out, kernel, stride, padding, bias=False),
        nn.BatchNorm3d(out, eps=1e-3, momentum=1e-3),
        nn.ReLU(inplace=True),
    )


def separable(wide: int, out: int, k: int, stride: int = 1) -> nn.Sequential:
    """A k x k convolution in space, then a convolution over k frames in time."""
    return nn.Sequential(
        unit(wide, out, (1, k, k), (1, stride, stride)),
        unit(out, out, (k, 1, 1), (stride, 1, 1)),
    )


class S3DMixed(nn.Module):
    """An Inception block with four parallel branches.

    `b1` and `b2` are the numbers of channels (before, after) the separable convolution of their branch.
    """

    def __init__(self, wide: int, b0: int, b1: tuple[int, int], b2: tuple[int, int], b3: int) -> None:
        super().__init__()
        self.branch0 = unit(wide, b0)
        self.branch1 = nn.Sequential(unit(wide, b1[0]), separable(*b1, 3))
        self.branch2 = nn.Sequential(unit(wide, b2[0]), separable(*b2, 3))
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), unit(wide, b3))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        branches = (self.branch0, self.branch1, self.branch2, self.branch3)
        return torch.cat([branch(x_BCTHW) for branch in branches], 1)


class S3D(nn.Module):
    """The S3D network: 8,320,048 parameters, including the classifier for the 400 classes of Kinetics."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            separable(3, 64, 7, 2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            unit(64, 64),
            separable(64, 192, 3),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            S3DMixed(192, 64, (96, 128), (16, 32), 32),
            S3DMixed(256, 128, (128, 192), (32, 96), 64),
            nn.MaxPool3d(3, 2, 1),
            S3DMixed(480, 192, (96, 208), (16, 48), 64),
            S3DMixed(512, 160, (112, 224), (24, 64), 64),
            S3DMixed(512, 128, (128, 256), (24, 64), 64),
            S3DMixed(512, 112, (144, 288), (32, 64), 64),
            S3DMixed(528, 256, (160, 320), (32, 128), 128),
            nn.MaxPool3d(2, 2),
            S3DMixed(832, 256, (160, 320), (32, 128), 128),
            S3DMixed(832, 384, (192, 384), (48, 128), 128),
        )
        self.classifier = nn.Sequential(nn.Identity(), nn.Conv3d(DIM, CLASSES, 1))  # in training the first is a dropout

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, 400): logits of Kinetics' classes, averaged over all pairs of time steps."""
        map_BCthw = self.features(x_BCTHW)
        pooled_BCt = F.avg_pool3d(map_BCthw, (2, *map_BCthw.shape[3:]), 1)
        logits: Tensor = self.classifier(pooled_BCt)
        return logits.mean((2, 3, 4))


class S3DExtractor(NetworkExtractor):
    """Extracts one vector per snippet: the mean of the last feature map over time and space."""

    network: S3D
    spec, dim, kind, least = "s3d", DIM, "clips", 14

    @classmethod
    def open(cls, weights: Path, name: str = "s3d", precision: ExtractorPrecision = "fp32") -> Self:
        """Read torchvision's s3d or kylemin's S3D_kinetics400.pt. The keys decide which, and with it the preprocessing.

        Raises:
            BundleError: the file is neither of them.
        """
        state = named_tensors(weights)
        advice = "wanted is torchvision's s3d (KINETICS400_V1) or S3D_kinetics400.pt of kylemin"
        if any(key.startswith("base.") for key in state):
            state, preprocessing = {torchvision_name(key): value for key, value in state.items()}, KYLEMIN
        elif any(key.startswith("features.") for key in state):
            preprocessing = TORCHVISION
        else:
            raise BundleError(f"{weights}: keys neither begin with features. nor with base.; {advice}")
        network = S3D()
        load_exactly(network, state, str(weights), advice=advice)
        return cls(network, preprocessing, name, precision)

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        return S3D()

    def vectors(self, x_BCTHW: Tensor) -> Tensor:
        map_BCthw: Tensor = self.network.features(x_BCTHW)
        return map_BCthw.mean((2, 3, 4))


def torchvision_name(key: str) -> str:
    """Convert a key of kylemin's state dict to torchvision's name."""
    for pattern, name in RENAMED:
        key = re.sub(pattern, name, key)
    return key
