"""The street: synthetic surveillance video with ground truth. `World` makes frames, `render_world` writes files."""

from oddframe.street.render import RenderedFrame, Seen, World
from oddframe.street.things import PSEUDO_KINDS, RARE_KINDS, TEST_KINDS
from oddframe.street.write import render_world

__all__ = ["PSEUDO_KINDS", "RARE_KINDS", "TEST_KINDS", "RenderedFrame", "Seen", "World", "render_world"]
