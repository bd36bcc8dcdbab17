"""A real watch, and what the page shows of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shown import OpenPage

import oddframe
from oddframe.scoring.files import load_scores


@pytest.mark.slow
def test_the_page_of_a_watch_shows_what_the_watch_saw(
    street: Path, tmp_path: Path, ask: Callable[..., Any], open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODDFRAME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "plain.yaml").write_text("summary: x\nmodel: frame_difference\noptions: {size: [16, 32]}\n")
    oddframe.fit(
        street / "training" / "videos", recipe=str(tmp_path / "plain.yaml"), out=tmp_path / "run",
        threshold=oddframe.ThresholdOptions(quantile=0.9), training=oddframe.TrainingOptions(workers=1),
    )  # fmt: skip
    monkeypatch.setattr("oddframe.live.ending.SINKS_S", 60)  # what is not delivered in time stays in the outbox
    video = min((street / "testing" / "videos").glob("*.mp4"))
    out = tmp_path / "out"
    assert ask("watch", tmp_path / "run", video, "--out", out, "--store", "auto", "--name", "door").status == 0
    page = open_page(out)
    (camera,) = page.get("sources")
    assert (camera["source"], camera["state"], page.get("session")["watching"]) == ("camera:door", "stopped", False)
    assert page.get("session")["run"] == "run"
    (scores,) = [load_scores(path) for path in (out / "scores" / "door").glob("*.npz")]
    by_frame = dict(zip(scores.frame.tolist(), scores.score.tolist(), strict=True))
    events = [row for row in page.get("events")["events"] if row["kind"] == "anomaly" and row["media"]]
    assert events
    for row in events:
        table = page.get(f"events/{row['id']}/frames")
        pairs = [(f, s) for f, s in zip(table["frames"], table["scores"], strict=True) if s is not None]
        assert len(pairs) == len(table["frames"])
        assert all(score == pytest.approx(by_frame[frame], rel=1e-6) for frame, score in pairs)
        first, last = table["span"]
        assert max(table["scores"][first : last + 1]) == row["score"]
        shown = [table["start_s"] + table["times"][place] for place in (first, last)]
        assert shown == pytest.approx([row["start_s"], row["end_s"]], abs=2e-3)
        assert page.client.get(f"/api/events/{row['id']}/thumb").headers["content-type"] == "image/jpeg"
    begin = min(json.loads(line)["utc"] for line in (out / "log.jsonl").read_text().splitlines())
    assert page.get("days", source="camera:door") == [begin[:10]]
    now = time.time()
    # The file was watched faster than it plays, so that its last scores lie ahead of the clock.
    day = page.get("timeline", **{"source": "camera:door", "bins": 50, "from": now - 600, "to": now + 600})
    assert max(value for value in day["scores"] if value is not None) == pytest.approx(max(by_frame.values()), rel=1e-6)
    assert {event["id"] for event in day["events"]} >= {row["id"] for row in events}
    assert day["threshold"] == pytest.approx(events[0]["threshold"], rel=1e-6)
