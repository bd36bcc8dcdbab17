"""What a flow field says of cells and objects; on fields that are written down, and on a square that moves."""

from __future__ import annotations

import numpy as np
import pytest
from moving import SIDE, crossing, picture

from oddframe.models.motion import describe, flow_between


def field(*blocks: tuple[int, int, int, int, float, float]) -> np.ndarray:
    """A 48 x 64 field that is still but for blocks (top, left, height, width, u, v)."""
    flow = np.zeros((48, 64, 2), np.float32)
    for top, left, height, width, u, v in blocks:
        flow[top : top + height, left : left + width] = u, v
    return flow


def test_the_same_motion_everywhere_is_that_motion() -> None:
    motion = describe(field((0, 0, 48, 64, 3.0, -4.0)))
    assert len(motion.cells) == 12 * 16
    np.testing.assert_allclose(motion.speed, np.tile([5 / 1.02, 5.0], (192, 1)), rtol=1e-5)
    np.testing.assert_allclose(motion.velocity, np.tile([3 / 1.02, -4 / 1.02], (192, 1)), rtol=1e-5)
    assert motion.members.tolist() == [[1] * 16] * 12


def test_an_object_is_described_by_size_shape_and_motion() -> None:
    motion = describe(field((8, 12, 16, 8, 2.0, 0.0), (40, 40, 8, 8, 0.0, 1.0)))
    tall, square = motion.objects
    share = 8 / 8.02
    np.testing.assert_allclose(tall[:5], [np.log(8), np.log(2), 2 * share, 2 * share, 0], atol=1e-5)
    np.testing.assert_allclose(square[:2], [np.log(4), 0], atol=1e-6)
    np.testing.assert_allclose(motion.centroids, [[3.5, 3.5], [10.5, 10.5]])
    assert (motion.members[2:6, 3:5] == 1).all() and (motion.members[10:12, 10:12] == 2).all()
    assert np.count_nonzero(motion.members) == 12


def test_objects_touch_at_corners_and_have_at_least_two_cells() -> None:
    motion = describe(field((0, 0, 4, 4, 1.0, 0.0), (4, 4, 4, 4, 1.0, 0.0), (24, 24, 4, 4, 1.0, 0.0)))
    assert len(motion.objects) == 1 and np.count_nonzero(motion.members) == 2


def test_slow_pixels_are_still() -> None:
    assert len(describe(field((0, 0, 48, 64, 0.2, 0.1))).cells) == 0


@pytest.mark.parametrize(("speed", "sign"), [(15.0, 1), (30.0, 1), (30.0, -1)])
def test_a_square_at_known_speed_has_that_speed_and_direction(speed: float, sign: int) -> None:
    path = crossing(sign * speed, start=90.0)
    before, now = (np.rint(picture(path, t)).astype(np.uint8) for t in (0.0, 0.1))
    motion = describe(flow_between(before, now))
    x, y = path(0.1)
    rows, columns = np.divmod(motion.cells, 40)
    inside = (abs(rows * 4 + 2 - y - SIDE / 2) < 6) & (abs(columns * 4 + 2 - x - SIDE / 2) < 6)
    assert inside.sum() >= 4
    np.testing.assert_allclose(motion.velocity[inside, 0], sign * speed / 10, rtol=0.1)
    np.testing.assert_allclose(motion.velocity[inside, 1], 0, atol=0.15)
    np.testing.assert_allclose(motion.speed[inside, 0], speed / 10, rtol=0.2)
