"""Options that an entry calls those of scoring: training does not see them, so a benchmark trains once for all."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from oddframe.models.detector import Batch
from oddframe.models.registry import create, entry, names

OTHER: dict[str, dict[str, Any]] = {
    "sdmae": {"error": "l1", "fusion": (1.0, 0.0, 0.0), "map_filter": None},
    "memae": {"error": "squared", "map_filter": (1, 3, 3), "map_margin": 2},
    "mnad": {
        "frame_weight": 0.1, "gate": "norm", "gate_threshold": 0.5, "map_filter": (1, 3, 3), "map_margin": 2,
        "psnr_peak": "maximum", "test_update": "carried",
    },
    "mpn": {"map_filter": (1, 3, 3), "map_margin": 2},
    "std": {"fusion": "none", "map_filter": (1, 3, 3), "map_margin": 2, "transform": "reciprocal"},
}  # fmt: skip


def learned(name: str, **options: Any) -> tuple[dict[str, torch.Tensor], list[float]]:
    """First weights, and the losses of every stage on one batch."""
    torch.manual_seed(0)
    about = entry(name)
    model = create(name, about.presets[-1] if name != "sdmae" else "paper", **{**about.tiny, **options}).one_class("")
    window, random = model.window, torch.Generator().manual_seed(1)

    def frames(count: int) -> torch.Tensor:
        return torch.randint(0, 256, (4, count, *window.size, 3), dtype=torch.uint8, generator=random)

    def gray(images: torch.Tensor) -> torch.Tensor:
        return images[..., :1] if window.colour == "gray" else images

    pasted = frames(1)[:, 0, ..., 0]
    images, target, context = (gray(frames(count)) for count in (len(window.offsets), len(window.target), 1))
    batch = Batch(images, target, torch.arange(4), context=context, pasted=pasted)
    losses = []
    for stage in model.stages():
        stage.train_mode()
        for update in stage.updates():
            torch.manual_seed(2)
            losses += [float(value.detach()) for value in update.loss(batch).values()]
    return {name: value.clone() for name, value in model.state_dict().items()}, losses


@pytest.mark.parametrize("name", OTHER)
def test_training_does_not_see_them(name: str) -> None:
    weights, losses = learned(name)
    for option, value in OTHER[name].items():
        others, found = learned(name, **{option: value})
        assert found == losses and weights.keys() == others.keys(), option


def test_all_of_them_are_looked_at() -> None:
    assert {name: set(entry(name).scoring_options) for name in names() if entry(name).scoring_options} == {
        name: set(options) for name, options in OTHER.items()
    }
