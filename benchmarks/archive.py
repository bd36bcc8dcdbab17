"""Archives: kills at random moments, the efficiency of runners, and a video of two hours in eight parts.

    python benchmarks/archive.py kills FOLDER [--kills 40]
    python benchmarks/archive.py efficiency FOLDER [--seconds 45] [--ray ADDRESS]
    python benchmarks/archive.py parts FOLDER [--hours 2]

FOLDER is new, and keeps the inputs, which are made here, and the outputs. The figures are printed as one JSON document.
On a quiet machine of two cores `kills` takes about 5 minutes, `efficiency` 7 and `parts` 7.

The long videos truly last as long as they say by the clock. They are small, 64x48 at 1 frame/s, with a key frame a
minute, so that an hour is 3,600 frames.

`efficiency` wants a quiet machine. With Ray it runs in namespaces of its own, where a cluster sees loopback alone and
ends with the command:

    unshare -rnpf --mount-proc --kill-child sh -c 'ip link set lo up
        export RAY_AUTH_MODE=disabled RAY_USAGE_STATS_ENABLED=0
        ray start --head --num-cpus 2 --node-ip-address 127.0.0.1 --port 6379 --include-dashboard false
        python benchmarks/archive.py efficiency FOLDER --ray 127.0.0.1:6379'
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

import oddframe
from oddframe.archive.journal import read_history
from oddframe.archive.merging import MergeOptions, merge_plan
from oddframe.archive.place import Place
from oddframe.archive.planning import PlanOptions, make_plan
from oddframe.archive.status import read_status
from oddframe.bundle import TrainingData, save_bundle
from oddframe.models.registry import create, entry, names
from oddframe.recipes import load_recipe
from oddframe.scoring.files import load_scores
from oddframe.video.encode import VideoWriter
from oddframe.workflow.run import Run

SIZE, RATE, KEY_S = (48, 64), 1.0, 60.0
HOUR = 3600.0
COVERED = 97.0  # seconds that the camera is covered, in the midst of the video
PARTS = 8
RUN = [sys.executable, "-m", "oddframe", "--quiet", "archive", "run"]


def watched_street(path: Path, seconds: float, seed: int, odd: bool = True) -> Path:
    """A small thing goes to and fro. With `odd`, a bar falls every ten minutes, and the camera is covered once."""
    chance = np.random.default_rng(seed)
    ground = np.random.default_rng(0).integers(80, 120, (*SIZE, 3))
    middle = seconds / 2
    with VideoWriter(path, SIZE, RATE, threads=1, key_every=round(KEY_S * RATE)) as writer:
        for number in range(round(seconds * RATE)):
            t = number / RATE
            frame = ground + chance.normal(0, 4, ground.shape)
            x = int(abs((2 * number + 7 * seed) % 100 - 50))
            frame[34:40, x : x + 6] = 200
            if odd and t % 600 < 10:
                top = round((t % 600) * 4)
                frame[top : top + 12, 44:58] = (250, 40, 40)
            if odd and middle - COVERED / 2 <= t < middle + COVERED / 2:
                frame = 0.05 * frame
            writer.write(np.clip(frame, 0, 255).astype(np.uint8))
    return path


def learned(folder: Path, model: str) -> Run:
    """A detector at its tiny size, hardly trained: what it tells does not count here, and what it computes does.

    It has a threshold, levels, and a picture of its camera, so that everything that `fit` leaves is used.
    """
    normal = folder / "normal" / "normal.mp4"
    if not normal.is_file():
        watched_street(normal, 240, 1, odd=False)
    tiny = {**entry(model).tiny, **({"map_filter": [3, 3, 3]} if model in ("memae", "mnad", "mpn", "std") else {})}
    recipe = folder / f"{model}.yaml"
    smoothing = {"kind": "causal", "taps": 9, "sigma": 3.0}
    recipe.write_text(
        json.dumps({"summary": "x", "model": model, "options": tiny, "scoring": {"smoothing": smoothing}})
    )
    budget = None if entry(model).kind == "fitted" else "4steps"
    training = oddframe.TrainingOptions(workers=1, progress=False, budget=budget)
    wish = oddframe.ThresholdOptions(quantile=0.9)
    return oddframe.fit(normal, recipe=str(recipe), out=folder / f"run-{model}", threshold=wish, training=training)


def kills(folder: Path, count: int) -> dict[str, Any]:
    """Kill plan, run and merge at random moments; what comes of it equals an undisturbed run."""
    run, videos, chance = learned(folder, "camera"), folder / "videos", random.Random(6)
    for number in range(6):
        watched_street(videos / f"short{number}.mp4", 30, 10 + number)
    watched_street(videos / "long.mp4", 300, 9)
    words = [sys.executable, "-m", "oddframe", "archive"]
    plan = folder / "killed"
    steps = {
        "plan": [*words, "plan", str(run.path), str(videos), "--out", str(plan), "--part", "1", "--no-measure"],
        "run": [*words, "run", str(plan)],
        "merge": [*words, "merge", str(plan)],
    }
    lasts: dict[str, float] = {}
    for name, own in steps.items():
        began = time.perf_counter()
        subprocess.run(
            [word.replace(str(plan), str(folder / "whole")) for word in own], check=True, capture_output=True
        )
        lasts[name] = time.perf_counter() - began
    killed, ended = dict.fromkeys(steps, 0), dict.fromkeys(steps, 0)
    for name, own in steps.items():
        while killed[name] < -(-count // len(steps)):
            process = subprocess.Popen(own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                status = process.wait(chance.uniform(0.3, 1.0) * lasts[name])
                assert status == 0, f"{name} ends with status {status} after a kill"
                ended[name] += 1
                if name == "run":  # it came to its end: begin anew
                    for path in (plan / "scores").rglob("*.npz"):
                        path.unlink()
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed[name] += 1
        subprocess.run(own, check=True, capture_output=True)
    files = sorted(path.relative_to(folder / "whole") for path in (folder / "whole" / "scores").rglob("*.npz"))
    lines = [(out / "events.jsonl").read_text() for out in (folder / "whole", plan)]
    pages = [
        sorted(str(path.relative_to(out)) for path in (out / "videos").rglob("*")) for out in (folder / "whole", plan)
    ]
    return {
        "killed": killed, "came_to_their_end": ended, "seconds_undisturbed": lasts, "videos": len(files),
        "scores_equal": all(same_scores(folder / "whole" / name, plan / name) for name in files),
        "events": lines[0].count("\n"), "events_equal": lines[0] == lines[1], "pages_equal": pages[0] == pages[1],
        "finished": read_status(plan).finished,
        "left_over": [str(path) for path in plan.rglob(".*") if path.is_file()],
    }  # fmt: skip


def same_scores(one: Path, other: Path) -> bool:
    """Whether two score files hold the same, bit for bit."""
    a, b = load_scores(one), load_scores(other)
    same = [np.array_equal(a.score, b.score), np.array_equal(a.time, b.time), np.array_equal(a.frame, b.frame)]
    same += [np.array_equal(values, b.components[name]) for name, values in a.components.items()]
    same.append((a.map is None) == (b.map is None) and (a.map is None or np.array_equal(a.map, np.asarray(b.map))))
    return all(same) and a.faults == b.faults


def efficiency(folder: Path, seconds: float, ray: str | None) -> dict[str, Any]:
    """Throughput of two local workers, and of two slots of Ray, against twice that of one process with one thread.

    Short videos: a network (SDMAE, its small recipe) on copies of a street of 20 s. Long ones: a camera with sentinel,
    in jobs of an hour, against one process that scores them whole. `seconds` is how long one process works on each.

    `all` counts from the start of the command, `steady` from the first job that is begun to the last that is done: on
    an archive the start of processes does not count. `apart` are two commands, each with a share, which know nothing
    of each other: what the machine itself gives.
    """
    told: dict[str, Any] = {}
    for kind, make in (("short", short_videos), ("long", long_video)):
        run, videos = make(folder / kind, seconds)
        whole, cut = (folder / kind / name for name in ("whole", "cut"))
        made = [
            make_plan(run, videos, where, PlanOptions(part_s=part, measure=False), progress=False)
            for where, part in ((whole, 1e9), (cut, HOUR))
        ]
        one = throughput(whole, [[]])
        ways = {"workers": [["--workers", "2"]], "apart": [["--shard", "1/2"], ["--shard", "2/2"]]}
        if ray is not None:
            ways["ray"] = [["--ray", ray]]
        told[kind] = {"jobs": len(made[1].jobs), "hours_of_video": made[1].seconds / HOUR, "one_process": one}
        for name, commands in ways.items():
            two = throughput(cut, commands)
            told[kind][name] = {
                **two,
                **{f"efficiency_{when}": two[when] / (2 * one[when]) for when in ("all", "steady")},
            }
    return told


def throughput(plan: Path, commands: list[list[str]]) -> dict[str, float]:
    """Seconds of video per second, of commands that run a plan together. What was done before is taken away."""
    for path in [*plan.rglob("*.npz"), *plan.rglob("*.jsonl")]:
        if path.parent.name != "timelines" and path.name != "jobs.jsonl":
            path.unlink()
    began = time.perf_counter()
    running = [subprocess.Popen([*RUN, str(plan), *more], stdout=subprocess.DEVNULL) for more in commands]
    assert all(process.wait() == 0 for process in running), "a video failed"
    spent = time.perf_counter() - began
    history, status = read_history(Place(plan)), read_status(plan)
    assert status.finished and history.first is not None and history.last is not None
    return {"all": status.seconds / spent, "steady": status.seconds / (history.last - history.first)}


def short_videos(folder: Path, seconds: float) -> tuple[Run, Path]:
    """As many videos of 20 s as one process scores in about so many seconds, and a network."""
    recipe = load_recipe("sdmae-small")
    (folder / "run").mkdir(parents=True)
    detector = create(recipe.model, recipe.preset, **recipe.options)
    run = Run(save_bundle(folder / "run", detector, recipe, {}, TrainingData(checkpoint="none")))
    first = folder / "videos" / "0000.mp4"
    chance = np.random.default_rng(0)
    with VideoWriter(first, (120, 160), 12.5, threads=1) as writer:
        ground = chance.integers(60, 180, (120, 160, 3))
        for number in range(250):
            frame = ground + chance.normal(0, 3, ground.shape)
            frame[60:90, (x := number % 140) : x + 14] = 220
            writer.write(np.clip(frame, 0, 255).astype(np.uint8))
    run.score(first, progress=False)
    began = time.perf_counter()
    run.score(first, progress=False)
    for number in range(1, max(8, round(seconds / (time.perf_counter() - began)))):
        renamed(first, folder / "videos" / f"{number:04}.mp4", number)
    return run, folder / "videos"


def renamed(path: Path, copy: Path, number: int) -> None:
    """The same pictures in a file of another content."""
    with av.open(str(path)) as source, av.open(str(copy), "w") as made:
        made.metadata["comment"] = f"copy {number}"
        stream = made.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                made.mux(packet)


def long_video(folder: Path, seconds: float) -> tuple[Run, Path]:
    """A video of as many hours, an even number, as one process scores in about so many seconds, and a camera."""
    folder.mkdir(parents=True, exist_ok=True)
    run = learned(folder, "camera")
    began = time.perf_counter()
    run.score(folder / "normal" / "normal.mp4", progress=False)
    pace = 240 / (time.perf_counter() - began)
    hours = 2 * max(1, round(seconds * pace / HOUR / 2))
    return run, watched_street(folder / "videos" / "long.mp4", hours * HOUR, 3)


def parts(folder: Path, hours: float) -> dict[str, Any]:
    """A long video whole and in eight parts, for every detector: scores, components, maps, faults and events."""
    video = watched_street(folder / "long.mp4", hours * HOUR, 2)
    told: dict[str, Any] = {"frames": round(hours * HOUR * RATE), "detectors": {}}
    for model in (name for name in names() if entry(name).kind != "bags"):
        run, began = learned(folder, model), time.perf_counter()
        outs = {name: folder / model / name for name in ("whole", "parts")}
        for name, where in outs.items():
            length = 1e9 if name == "whole" else hours * HOUR / PARTS
            plan = make_plan(run, video, where, PlanOptions(part_s=length, measure=False), progress=False)
            subprocess.run([*RUN, str(where), "--workers", "1" if name == "whole" else "2"], check=True)
            merge_plan(where, options=MergeOptions(pages=False), progress=False)
        one, other = (load_scores(where / "scores" / "long.npz") for where in outs.values())
        lines = [(where / "events.jsonl").read_text() for where in outs.values()]
        found = [(where / "findings.jsonl").read_text() for where in outs.values()]
        told["detectors"][model] = {
            "parts": len(plan.jobs), "components": sorted(one.components), "map": one.map is not None,
            "scores_equal": same_scores(outs["whole"] / "scores" / "long.npz", outs["parts"] / "scores" / "long.npz"),
            "account_equal": one.info.account == other.info.account,
            "events": lines[0].count("\n"), "events_equal": lines[0] == lines[1],
            "findings": found[0].count("\n"), "findings_equal": found[0] == found[1],
            "seconds": round(time.perf_counter() - began, 1),
        }  # fmt: skip
        print(model, json.dumps(told["detectors"][model]), file=sys.stderr)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kills", "efficiency", "parts"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=45.0, help="that one process works on each kind of video")
    parser.add_argument("--ray", metavar="ADDRESS", help="of a cluster of two slots")
    parser.add_argument("--hours", type=float, default=2.0)
    told = parser.parse_args()
    # Of this process and of all that it starts: figures are for a core.
    os.environ |= {"ODDFRAME_CACHE": str(told.folder / "cache"), "OMP_NUM_THREADS": "1"}
    torch.set_num_threads(1)
    calls: dict[str, Callable[[], dict[str, Any]]] = {
        "kills": lambda: kills(told.folder, told.kills),
        "efficiency": lambda: efficiency(told.folder, told.seconds, told.ray),
        "parts": lambda: parts(told.folder, told.hours),
    }
    told.folder.mkdir(parents=True)
    print(json.dumps(calls[told.what](), indent=2))


if __name__ == "__main__":
    main()
