"""What the demo counts: planted anomalies that the box of an event touches, and events that touch none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oddframe.types import Event
from oddframe.workflow.demo import find_planted, touches

TRACK = {frame: (frame, 10, frame + 20, 40) for frame in range(10, 31)}  # it moves to the right, a pixel a frame
EVENT = Event("01", 20, 25, 40, 0.8, 1.0, 1.6, 0.5, box=(40, 20, 60, 30))


@pytest.mark.parametrize(
    ("changes", "touched"),
    [
        ({}, True),
        ({"box": (45, 20, 60, 30)}, False),  # they share an edge, and no pixel
        ({"box": (0, 0, 200, 9)}, False),  # beside it in the other direction
        ({"box": (200, 100, 220, 130)}, False),  # at the right time, elsewhere
        ({"box": None}, False),  # no place was named
        ({"peak_frame": 32}, False),  # it has left the picture
        ({"start_frame": 12, "peak_frame": 12}, False),  # it comes there later
    ],
)
def test_an_event_touches_what_is_in_its_box_at_its_peak(changes: dict[str, object], touched: bool) -> None:
    assert touches(replace(EVENT, **changes), TRACK) is touched  # type: ignore[arg-type]


def test_planted_anomalies_are_found_by_place_and_time(tmp_path: Path) -> None:
    rows = [f"{frame},7,car,1,{','.join(map(str, box))}" for frame, box in TRACK.items()]
    rows += [f"{frame},3,walker,0,0,0,300,200" for frame in range(60)]  # normal, whatever touches it
    header = "frame,object,kind,anomalous,left,top,right,bottom"
    (tmp_path / "01.csv").write_text("\n".join([header, *rows, "50,8,cart,1,0,0,9,9"]) + "\n")
    (tmp_path / "02.csv").write_text("\n".join([header, *rows]) + "\n")
    elsewhere = replace(EVENT, box=(200, 100, 220, 130))
    planted, false = find_planted(tmp_path, [EVENT, elsewhere])
    assert [(one.video, one.kind, one.start, one.end, one.found) for one in planted] == [
        ("01", "car", 10, 30, True), ("01", "cart", 50, 50, False), ("02", "car", 10, 30, False),
    ]  # fmt: skip
    assert false == 1
