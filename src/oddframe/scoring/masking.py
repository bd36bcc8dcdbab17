"""Places that are left out when a detector scores, though it learned from the whole picture.

`camera` leaves them out of components, map and reasons, and no component rises by that, so that its promise holds. A
network has made its scores of the whole picture; nothing can be taken out of them afterwards.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace

from oddframe.bundle import Bundle, TrainedDetector
from oddframe.models.camera import CameraDetector
from oddframe.models.registry import create_for
from oddframe.types import IgnoredPlace


def masked(trained: TrainedDetector, places: Sequence[IgnoredPlace]) -> TrainedDetector | None:
    """A copy of a detector that leaves places out as well; None where it cannot.

    Places that it leaves out already are no news: then it is the detector itself that comes back.
    """
    if not isinstance(trained, Bundle) or not isinstance(trained.detector, CameraDetector):
        known = {place.corners for place in trained.data.ignored}
        return trained if known >= {place.corners for place in places} else None
    known = {place.corners for place in trained.detector.places}
    new = [place for place in places if place.corners not in known]
    if not new:
        return trained
    recipe = trained.recipe
    made = create_for(recipe.model, recipe.preset, recipe.options, trained.data.frame_size)
    assert isinstance(made, CameraDetector), "made of the recipe of one"
    made.load_state(trained.detector.state())
    made.ignore((*trained.detector.places, *new))
    return replace(trained, detector=made)


def mask_label(trained: TrainedDetector) -> str:
    """What an identity of scores says of the places that a detector has left out only since it was loaded; empty where
    there are none."""
    if not isinstance(trained, Bundle) or not isinstance(trained.detector, CameraDetector):
        return ""
    known = {place.corners for place in trained.data.ignored}
    if trained.data.taught is not None:
        known |= {place.corners for place in trained.data.taught.zones}
    new = sorted(place.corners for place in trained.detector.places if place.corners not in known)
    return f"-without-{zlib.crc32(json.dumps(new).encode()):08x}" if new else ""
