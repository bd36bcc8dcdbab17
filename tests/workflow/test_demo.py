"""What the demo counts: planted anomalies that an event overlaps, and events beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oddframe.types import Event
from oddframe.workflow.demo import find_planted, hits


def test_planted_anomalies_are_found_by_overlap(tmp_path: Path) -> None:
    table = tmp_path / "events.csv"
    table.write_text("video,kind,start_frame,end_frame\n01,car,10,20\n01,cart,40,50\n02,car,10,20\n")
    event = Event("01", 20, 25, 30, 0.8, 1.0, 1.2, 0.5)
    assert [planted.found for planted in find_planted(table, [event])] == [True, False, False]
    labels = np.zeros(60, np.int8)
    assert not hits(event, labels)
    labels[30] = 1
    assert hits(event, labels)
