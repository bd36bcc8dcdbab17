"""Networks with a memory go through all of `oddframe learn`: MNAD's items, and the few-shot adaptation of MPN."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from taught import mark, record, write_street

import oddframe
from oddframe.scoring.heldout_store import load_heldout
from oddframe.settings import ThresholdOptions, TrainingOptions
from oddframe.store.store import Store

Ask = Callable[..., Any]
RARE = {f"{n}": ((4.0, 7.0), (15.0, 18.0)) for n in (1, 2, 3)}
ODD = {"1": ((10.0, 12.0),)}
SPANS = {name: (*spans, *ODD.get(name, ())) for name, spans in RARE.items()}
SECONDS = 22.0
TINY = ["options.size=[32, 64]", "training.batch_size=4"]
RECIPES = {
    "mnad-small": ["options.width=2"],
    "mpn-meta-small": ["options.width=4", "options.step_size=0.05"],
}


class Place(NamedTuple):
    recipe: str
    folder: Path


@pytest.fixture(scope="module", params=list(RECIPES))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A network after a few steps of training, and videos to review with what it is said to have found in them."""
    folder = tmp_path_factory.mktemp("networks")
    for n in (1, 2):
        write_street(folder / "normal" / f"{n}.mp4", 40, (), (), seed=n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODDFRAME_CACHE", str(folder / "cache"))
        run = oddframe.fit(
            folder / "normal", recipe=request.param, changes=[*TINY, *RECIPES[request.param]], out=folder / "run",
            threshold=ThresholdOptions(quantile=0.9),
            training=TrainingOptions(budget="6steps", workers=1, progress=False),
        )  # fmt: skip
    for name in RARE:
        write_street(folder / "videos" / f"{name}.mp4", SECONDS, RARE[name], ODD.get(name, ()), seed=int(name) + 2)
    record(run, folder / "videos", folder / "scores", SPANS).close()
    return Place(request.param, folder)


@pytest.fixture
def store(place: Place, tmp_path: Path) -> Iterator[Store]:
    """All that is rare is marked as normal, and what is odd as abnormal."""
    shutil.copytree(place.folder / "scores", tmp_path / "scores")
    with oddframe.open_store(tmp_path / "scores") as opened:
        mark(opened, RARE, "normal")
        mark(opened, ODD, "abnormal")
        yield opened


@pytest.mark.slow
def test_marked_windows_go_into_the_network_and_the_threshold_rests_on_their_video(
    place: Place, store: Store, tmp_path: Path, ask: Ask
) -> None:
    out = tmp_path / "taught"
    answer = ask("learn", place.folder / "run", "--store", store.file, "--out", out, "--json")
    assert answer.status == 0, answer.err
    told = json.loads(answer.out)
    assert (told["normal"], told["abnormal"], told["gone"]) == (6, 1, [])
    steps = {step["name"]: step for step in told["steps"]}
    where = {"mnad-small": "its memory items", "mpn-meta-small": "its few-shot adaptation"}[place.recipe]
    windows, _, rest = steps["memory"]["did"].partition(" windows of ")
    assert rest == f"6 normal marks went into {where}"
    assert int(windows) <= 10 if place.recipe == "mpn-meta-small" else int(windows) > 6 * 3 * 5 - 6 * 4

    old, new = oddframe.load_run(place.folder / "run"), oddframe.load_run(out)
    weights, taught = old.detector.state_dict(), new.detector.state_dict()  # type: ignore[union-attr]
    changed = {name for name in weights if not torch.equal(weights[name], taught[name])}
    if place.recipe == "mnad-small":
        assert changed == {"memory"}
    else:
        assert changed and changed <= set(new.detector.theta())  # type: ignore[union-attr]
    seconds = sum(float(time[-1] - time[0]) for time, _ in load_heldout(out))
    assert 0 < seconds < 3 * SECONDS, "what the old network said of held-out video holds no more"
    assert steps["memory"]["threshold"] == new.calibration().threshold == told["threshold"]
    assert new.calibration().quantile == 0.9 and new.bundle.data.parent == old.bundle.id
    (scores,) = new.score(place.folder / "videos" / "3.mp4", progress=False)
    assert scores.bundle.startswith(new.bundle.id) and len(scores.score) > 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["mnad-small"], indirect=True)  # one network says it for both
def test_where_the_video_is_too_little_for_the_rate_nothing_is_taken_in(
    place: Place, store: Store, tmp_path: Path, ask: Ask
) -> None:
    out, wish = tmp_path / "taught", ("--alarms-per-hour", 5, "--steps", "memory")
    answer = ask("learn", place.folder / "run", "--store", store.file, "--out", out, *wish, "--json")
    assert answer.status == 0, answer.err
    (step,) = json.loads(answer.out)["steps"]
    assert step["did"].startswith("nothing is taken in, for then a threshold must be found anew: ")
    old, new = oddframe.load_run(place.folder / "run"), oddframe.load_run(out)
    assert torch.equal(old.detector.state_dict()["memory"], new.detector.state_dict()["memory"])  # type: ignore[union-attr]
