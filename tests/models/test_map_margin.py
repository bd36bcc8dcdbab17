"""The margin of error maps, of all systems that have one."""

from __future__ import annotations

import pytest
import torch

from oddframe.errors import RecipeError
from oddframe.models.detector import Batch
from oddframe.models.layers.pixels import within
from oddframe.models.registry import create, entry

SYSTEMS = ("mnad", "mpn", "memae", "std")


@pytest.mark.parametrize("name", SYSTEMS)
@torch.no_grad()
def test_nothing_counts_at_the_border_and_all_else_stays(name: str) -> None:
    torch.manual_seed(0)
    whole, inner = (
        create(name, "code", **{**entry(name).tiny, "map_filter": [1, 3, 3], "map_margin": margin})
        .one_class("a test")
        .eval()
        for margin in (0, 3)
    )
    inner.load_state_dict(whole.state_dict())
    window = whole.window
    shape = (2, len(window.offsets), *window.size, window.channels)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8)
    batch = Batch(frames, frames[:, -1:].flip(2), torch.arange(2))
    plain, cut = whole.score(batch), inner.score(batch)
    assert plain.map is not None and cut.map is not None and (plain.map > 0).all()
    assert torch.equal(cut.map[:, 3:-3, 3:-3], plain.map[:, 3:-3, 3:-3])
    assert cut.map.count_nonzero() == plain.map[:, 3:-3, 3:-3].numel(), "the rest is 0"
    assert all(torch.equal(cut.components[part], values) for part, values in plain.components.items())


def test_no_margin_leaves_a_map_as_it_is() -> None:
    map_BHW = torch.rand(1, 4, 4)
    assert within(map_BHW, 0) is map_BHW


@pytest.mark.parametrize("margin", [-1, 8])
def test_a_margin_leaves_something(margin: int) -> None:
    with pytest.raises(
        RecipeError, match=rf"MNAD: map_margin {margin} must be at least 0 and leave something of 16x32"
    ):
        create("mnad", size=[16, 32], map_margin=margin)
