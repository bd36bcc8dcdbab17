"""The street: a synthetic surveillance world with ground truth. `World` makes frames, `render_world` files."""

from oddframe.data.world.render import RenderedFrame, Seen, World
from oddframe.data.world.things import PSEUDO_KINDS, TEST_KINDS
from oddframe.data.world.write import render_world

__all__ = ["PSEUDO_KINDS", "TEST_KINDS", "RenderedFrame", "Seen", "World", "render_world"]
