"""Places to ignore: they are checked when they are made, hold until they are ended, and are never lost."""

from __future__ import annotations

import math

import pytest
from found import scores, trained

from oddframe.errors import StoreError
from oddframe.store.store import Store
from oddframe.store.zones import StoredZone

SQUARE = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))


def test_zones_of_cameras_and_of_bundles(store: Store) -> None:
    store.record_scores(trained(), scores({"01": [0, 5, 0]}))
    door = StoredZone(SQUARE, "ann", camera="door", note="the clock")
    road = StoredZone(SQUARE[:3], "ann", bundle="b0b0b0b0b0b0")
    first, second = store.add_zone(door), store.add_zone(road)
    assert store.zones() == {first: door, second: road}
    assert store.zones(camera="door") == {first: door} and store.zones(bundle="b0b0b0b0b0b0") == {second: road}
    assert store.zones(camera="yard") == {}
    store.end_zone(first)
    assert store.zones() == {second: road}
    for number in (first, 77):
        with pytest.raises(StoreError, match=f"there is no zone {number} that holds"):
            store.end_zone(number)


def test_a_zone_of_an_unknown_bundle_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no bundle 'nothing'"):
        store.add_zone(StoredZone(SQUARE, "ann", bundle="nothing"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"corners": SQUARE[:2], "camera": "door"}, "2 corners; give 3 to 100"),
        ({"corners": SQUARE * 26, "camera": "door"}, "104 corners"),
        ({"corners": (*SQUARE, (1.5, 0.0)), "camera": "door"}, "shares of width and height"),
        ({"corners": (*SQUARE, (math.nan, 0.0)), "camera": "door"}, "shares of width and height"),
        ({"corners": SQUARE}, "name one of them"),
        ({"corners": SQUARE, "camera": "door", "bundle": "b"}, "name one of them"),
    ],
)
def test_what_is_no_zone_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        StoredZone(who="ann", **values)
