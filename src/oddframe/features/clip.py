"""CLIP's image encoder as extractor: 512 numbers for a frame (ViT-B/16).

Radford et al.: "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, arXiv:2103.00020.
The network is the one of `transformers`. Vectors are projected into the common space of images and text, and are not
normalised to unit length. The configuration of the network defines the size of CLIP.

Shape letters: B snippets, T frames, H x W pixels, D length of a vector.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from oddframe.errors import BundleError, InputError
from oddframe.extras import missing
from oddframe.features.extractor import ExtractorPrecision, Preprocessing
from oddframe.features.network import NetworkExtractor

HUB = "openai/clip-vit-base-patch16"
MEAN = (0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255)
STD = (0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255)


class CLIPExtractor(NetworkExtractor):
    """Extracts one vector per frame. A snippet has their mean and, if asked for, their change."""

    network: Any
    spec, kind = "clip", "frames"

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, name: str, precision: ExtractorPrecision
    ) -> None:
        super().__init__(network, preprocessing, name, precision)
        self.dim = self.network.config.projection_dim

    @classmethod
    def open(cls, weights: Path | None, name: str = "clip", precision: ExtractorPrecision = "fp32") -> Self:
        """Open a folder in the layout of Hugging Face (config.json, model.safetensors), or ViT-B/16 from its hub.

        Raises:
            InputError: `transformers` is not installed, or the weights cannot be found or read.
            BundleError: the weights lack a part of the image encoder.
        """
        transformers = import_transformers()
        advice = f"CLIP's weights are published at https://huggingface.co/{HUB} (config.json and model.safetensors)"
        if weights is not None and not (weights / "config.json").is_file():
            raise InputError(f"{weights}: not a folder with a config.json; {advice}")
        source = HUB if weights is None else str(weights)
        try:
            with quiet(transformers, progress=weights is None):
                network, loading = transformers.CLIPVisionModelWithProjection.from_pretrained(
                    source, output_loading_info=True, local_files_only=weights is not None
                )
        except Exception as error:  # many classes: no network, no such file, a damaged file
            reason = str(error).splitlines()[0]
            if weights is None:
                raise InputError(f"CLIP cannot be fetched; {advice}; name their folder with --weights") from error
            raise InputError(f"{weights}: CLIP cannot be read from it: {reason}; {advice}") from error
        absent = sorted(str(key) for key in (*loading["missing_keys"], *loading["mismatched_keys"]))
        if absent:
            raise BundleError(f"{source} lacks {absent[0]} of CLIP's image tower; {advice}")
        side = network.config.image_size
        preprocessing = Preprocessing(side, (side, side), "rgb", MEAN, STD, "bicubic")
        return cls(network.float(), preprocessing, name, precision)

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.network.config.to_diff_dict()
        return config

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        transformers = import_transformers()
        network: nn.Module = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**config))
        return network

    def vectors(self, x_BCTHW: Tensor) -> Tensor:
        frames = x_BCTHW.transpose(1, 2)
        vectors_ND: Tensor = self.network(pixel_values=frames.flatten(0, 1)).image_embeds
        vectors_BTD: Tensor = vectors_ND.unflatten(0, frames.shape[:2])
        return vectors_BTD


def import_transformers() -> Any:
    """Import the library `transformers`.

    Raises:
        InputError: it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise InputError(f"CLIP {missing('transformers', 'clip')}") from None
    return transformers


@contextmanager
def quiet(transformers: Any, progress: bool) -> Iterator[None]:
    """Silence reports about the unused text encoder and about attempts to reach the hub; bars only with `progress`."""
    bars = transformers.utils.logging
    had_bars = bars.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    if not progress:
        bars.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if had_bars:
            bars.enable_progress_bar()
