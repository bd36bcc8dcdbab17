"""Mutated label files, tables, arrays and checkpoints: no reader may end in a traceback, hang, or read nonsense.

    OMP_NUM_THREADS=1 python benchmarks/fuzz_tables.py --minutes 60 [--seed 0] [--cases N] [--only NAME]

Every case takes one of the small data sets below, changes one of its files at one to five places (bits, bytes, numbers,
separators, quotes, lines, marks, lengths in headers, cuts), and reads the set. Right is: it reads, and labels are 0 and
1, one per frame; or an error of oddframe in one line. The case number and the seed make the same case again. Memory is
limited to `MEMORY` bytes, so that a header that promises more shows. Exit status 1 where anything else happened.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from scipy.io import savemat

from oddframe.datasets.check import check
from oddframe.datasets.labelled import LabelledSet
from oddframe.datasets.masks import read_tracks
from oddframe.datasets.readers import open_any
from oddframe.datasets.sequences import sequences_from_folder
from oddframe.datasets.weak import labels as weak_labels
from oddframe.errors import OddframeError
from oddframe.features.layouts import open_layout
from oddframe.models.reference import read_checkpoint, released_tensors
from oddframe.recipes import load_recipe
from oddframe.scoring.calibrate import Calibration
from oddframe.scoring.events import read_events, write_events
from oddframe.scoring.files import load_scores, save_scores
from oddframe.scoring.heldout_store import load_heldout, save_heldout
from oddframe.types import Event, FrameScores, VideoInfo
from oddframe.video.search import find_videos

MEMORY = 12 * 2**30
SLOW = 20  # seconds
COUNT = 10  # frames of every video

Reader = Callable[[Path], object]


class Hang(BaseException):
    """A reader took longer than `SLOW`. It is no `Exception`, so that no guard catches it."""


@dataclass(frozen=True)
class Target:
    """A data set on disk, the files of it that are changed, and how it is read."""

    name: str
    files: tuple[str, ...]
    read: Reader


# ---- the data sets -------------------------------------------------------------------------------------------------


def frames(folder: Path, count: int = COUNT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:03d}.png"), np.full((6, 8), number, np.uint8))


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def array(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(values))


def cell(items: list[object]) -> np.ndarray:
    found = np.empty((1, len(items)), object)
    for number, item in enumerate(items):
        found[0, number] = item
    return found


def labelled(spec: str) -> Reader:
    """Reads a set, checks it, and holds that there is one label per frame."""

    def read(root: Path) -> object:
        found = open_any(f"{spec}:{root}" if spec else str(root))
        check(found, decode=False)
        if isinstance(found, LabelledSet):
            for video in found.videos:
                assert set(video.labels.tolist()) <= {0, 1}, "labels are not 0 and 1"
                assert len(video.labels) + len(video.left_out) == COUNT, "labels are not one per frame"
        else:
            for weak in found.test:
                if weak.intervals is not None:
                    assert set(weak_labels(weak, 100).tolist()) <= {0, 1}, "labels are not 0 and 1"
        return found

    return read


def make(root: Path) -> list[Target]:
    """Write all data sets below `root`. The folder of a target has its name."""
    rng = np.random.default_rng(0)
    truth = (np.arange(COUNT) % 4 == 2).astype(np.int8)
    volume = np.zeros((COUNT, 6, 8), np.uint8)
    volume[:, 2, 3] = 255 * truth.astype(np.uint8)
    targets: list[Target] = []

    def target(name: str, files: str, read: Reader) -> Path:
        targets.append(Target(name, tuple(files.split()), read))
        return root / name

    for name, file in (("npy", "labels/v.npy"), ("joined", "labels.npy"), ("masks-npy", "masks/v.npy")):
        place = target(f"folder-{name}", file, labelled(""))
        frames(place / "frames" / "v")
        array(place / file, volume if "masks" in file else truth)
    place = target("folder-npz", "masks/v.npz", labelled(""))
    frames(place / "frames" / "v")
    (place / "masks").mkdir()
    np.savez_compressed(place / "masks" / "v.npz", masks=volume)
    place = target("folder-images", "masks/v/002.png masks/v/003.png", labelled(""))
    frames(place / "frames" / "v")
    frames(place / "masks" / "v")
    texts = {
        "intervals.csv": 'video,start_frame,end_frame\nv,2,4\n"v",7,7\n',
        "labels/v.csv": "frame,label\n" + "".join(f"{n},{label}\n" for n, label in enumerate(truth)),
        "labels/v.txt": "".join(f"{label}\n" for label in truth),
    }
    for file, content in texts.items():
        place = target(f"folder-{Path(file).name.replace('.', '-')}", file, labelled(""))
        frames(place / "frames" / "v")
        text(place / file, content)
    place = target("ucsd", "Test/UCSDped2.m", labelled("ucsd-ped2"))
    frames(place / "Test" / "Test001")
    text(place / "Test/UCSDped2.m", "TestVideoFile = {};\nTestVideoFile{end+1}.gt_frame = [3:5, 8:9];\n")
    place = target("gt", "ped2.mat", labelled("ucsd-ped2"))
    for name in ("01", "02"):
        frames(place / "testing" / "frames" / name)
    savemat(
        place / "ped2.mat", {"gt": cell([np.array([[2, 7], [4, 9]]), np.array([[1.0], [3.0]])])}, do_compression=True
    )
    place = target("avenue", "testing_label_mask/1_label.mat", labelled("avenue-masks"))
    frames(place / "testing" / "frames" / "01")
    (place / "testing_label_mask").mkdir()
    savemat(place / "testing_label_mask" / "1_label.mat", {"volLabel": cell(list(volume))})
    name = "abnormal_scene_1_scenario_1"
    files = (
        f"s/{name}_annotations/{name}_tracks.txt s/{name}_annotations/{name}_0002_gt.png abnormal_test_video_names.txt"
    )
    place = target("ubnormal", files, labelled("ubnormal"))
    frames(place / "s" / name)
    frames(place / "s" / f"{name}_annotations", 0)
    cv2.imwrite(str(place / "s" / f"{name}_annotations" / f"{name}_0002_gt.png"), volume[2])
    text(place / "s" / f"{name}_annotations" / f"{name}_tracks.txt", "1,0,5\n2,3.0,9\n")
    text(place / "abnormal_test_video_names.txt", f"{name}.mp4\n")
    place = target("tracks", "x.txt", lambda root: read_tracks(root / "x.txt"))
    text(place / "x.txt", "# id start end\n1.0e+00 0.0e+00 5.0e+01\n2,10,20\n3;1;2\n")
    ucf = "Temporal_Anomaly_Annotation.txt Anomaly_Train.txt gt/Abuse028_x264.npy"
    place = target("ucf-crime", ucf, labelled("ucf-crime"))
    text(place / "Anomaly_Train.txt", "Abuse/Abuse001_x264.mp4\nArson/Arson001_x264.mp4 120\n")
    rows = "Abuse028_x264.mp4  Abuse  16  24  50  60\nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"
    text(place / "Temporal_Anomaly_Annotation.txt", rows)
    array(place / "gt" / "Abuse028_x264.npy", np.arange(80) % 3 == 0)
    place = target("ucf-matlab", "Matlab_formate/a.mat", labelled("ucf-crime"))
    (place / "Matlab_formate").mkdir(parents=True)
    struct = {"VideoName": "Arson011_x264", "Anno": np.array([[15, 42], [68, 90]]), "EventName": "Arson"}
    savemat(place / "Matlab_formate" / "a.mat", {"Annotation_file": struct})
    place = target("xd-violence", "rgb_test.list annotations.txt", labelled("xd-violence"))
    film = "v=S-7rRLrxnVQ__#1_label_B4-0-0"
    text(place / "rgb_test.list", "".join(f"/a/{film}__{crop}.npy\n" for crop in range(3)))
    text(place / "annotations.txt", f"{film} 0 12 20 30\n")
    place = target("shanghaitech", "SH_Test.txt test_frame_mask/01_0014.npy", labelled("shanghaitech-weak"))
    text(place / "SH_Test.txt", "01_0014,1,80\n01_001,0,764\n")
    array(place / "test_frame_mask" / "01_0014.npy", truth)
    place = target("weak-csv", "test.csv", labelled("csv"))
    content = (
        "Video, Label, Class, Frames, start_frame, end_frame\ncam/one.mp4, 1, Fight, 100, 10, 19\ntwo,normal,,50,,\n"
    )
    text(place / "test.csv", content)
    place = target("list", "list.csv", lambda root: find_videos(root / "list.csv"))
    frames(place / "a")
    frames(place / "b")
    text(place / "list.csv", 'video,note\na,x\n"b",y\n')
    for layout, file in (("rtfm", "v.npy"), ("urdmu", "v.npy"), ("crops", "v__0.npy"), ("sultani", "v.txt")):
        place = target(f"features-{layout}", file, lambda root, layout=layout: _features(layout, root))  # type: ignore[misc]
        shape = {"rtfm": (7, 10, 4), "urdmu": (10, 7, 4), "crops": (7, 4), "sultani": (32, 4)}[layout]
        values = rng.normal(size=shape).astype(np.float32)
        place.mkdir()
        np.savetxt(place / file, values) if layout == "sultani" else np.save(place / file, values)
    place = target("features-segments", "x.npz", lambda root: _features("segments", root / "x.npz"))
    place.mkdir()
    np.savez(place / "x.npz", v=np.ones((32, 4), np.float32), w=np.ones((32, 4), np.float32))
    score = np.linspace(0, 1, COUNT)
    scores = FrameScores("v", np.arange(COUNT), score / 5, {"a": score}, score, VideoInfo("v", "v", 8, 8, 5.0, COUNT))
    place = target("scores", "v.npz", lambda root: load_scores(root / "v.npz"))
    save_scores(scores, place)
    place = target("held-out", "heldout.npz", load_heldout)
    save_heldout(place, [(score, {"a": score}), (score, {"a": score})])
    place = target("events", "events.jsonl", lambda root: read_events(root / "events.jsonl"))
    write_events(place / "events.jsonl", [_event(number) for number in range(3)])
    place = target("calibration", "c.json", lambda root: Calibration.from_json((root / "c.json").read_text("latin-1")))
    quantiles = {"0.5": 0.1, "0.9": 0.2, "0.99": 0.3, "0.999": 0.4, "1.0": 0.5}
    text(place / "c.json", Calibration(1.0, 0.5, 2.0, 0.0, 1.0, None, 0, 60.0, 1, 7.0, quantiles).to_json())
    place = target("recipe", "r.yaml", lambda root: load_recipe(str(root / "r.yaml")))
    text(
        place / "r.yaml", "summary: x\nmodel: frame_difference\noptions: {size: [36, 64]}\ntraining: {batch_size: 4}\n"
    )
    place = target("cut-outs", "s/000.png", sequences_from_folder)
    (place / "s").mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(place / "s" / f"{number:03d}.png"), np.full((6, 8, 4), 200, np.uint8))
    weights = {"module.a.weight": torch.ones(3, 2), "module.a.bias": torch.ones(3)}
    place = target("checkpoint", "x.pth", lambda root: released_tensors(read_checkpoint(root / "x.pth"), "x"))
    place.mkdir()
    torch.save({"state_dict": weights, "epoch": 3}, place / "x.pth")
    place = target("old-checkpoint", "x.pth", lambda root: released_tensors(read_checkpoint(root / "x.pth"), "x"))
    place.mkdir()
    torch.save({"state_dict": weights}, place / "x.pth", _use_new_zipfile_serialization=False)
    place = target("safetensors", "x.pth", lambda root: released_tensors(read_checkpoint(root / "x.pth"), "x"))
    place.mkdir()
    save_file(weights, place / "x.pth")
    return targets


def _features(layout: str, path: Path) -> None:
    source = open_layout(layout, path)
    for video in source.videos:
        assert np.isfinite(source.load(video).features).all(), "features are not finite"


def _event(number: int) -> Event:
    at = float(number)
    return Event("v", number, number, number + 1, at, at, at + 0.5, 1.0, (1, 2, 3, 4), {"a": 1.0})


# ---- the changes ---------------------------------------------------------------------------------------------------

WORDS = (
    b"-1", b"nan", b"inf", b"1e308", b"1e999", b"20.0", b"20,0", b"0x10", b"9" * 30, b"1_0", b"", b"'", b'"', b'""',
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\r\n", b"\n\n", b"\t", b";", b",", b",,", b" ", b"\xe2\x80\xa8",
    b"\xc3", b"{", b"}", b"[", b"&a [*a]", b"null", b"true", b"../", b"\\", b"%", b"#", b"sep=;\n",
    "\u0665".encode(), "Zu\u0308rich".encode(),
)  # fmt: skip
LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**40, 2**62, 2**63 - 1, 2**64 - 1)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The same bytes with one to five changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        at = rng.randrange(len(data) + 1)
        far = min(len(data), at + rng.choice((1, 2, 4, 16, 64, 1024)))
        kind = rng.randrange(10)
        if kind == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + rng.randbytes(rng.randint(1, 8)) + data[at:]
        elif kind == 2:
            data = data[:at] + data[far:]
        elif kind == 3:
            data = data[:at] + data[at:far] * rng.choice((2, 3, 50)) + data[far:]
        elif kind == 4:
            data = data[:at]
        elif kind in (5, 6):
            data = data[:at] + rng.choice(WORDS) + data[at if kind == 5 else far :]
        elif kind == 7:
            size = rng.choice((2, 4, 8))
            value = rng.choice(LENGTHS) % 256**size
            data = data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]
        elif kind == 8:
            numbers = list(re.finditer(rb"\d+", data))
            if numbers:
                found = rng.choice(numbers)
                data = data[: found.start()] + rng.choice(WORDS) + data[found.end() :]
        else:
            data = data.replace(
                *rng.choice(((b",", b";"), (b"\n", b"\r"), (b",", b"\t"), (b".", b","), (b" ", b"\xc2\xa0")))
            )
    return data


# ---- the loop ------------------------------------------------------------------------------------------------------


def stop(number: int, frame: FrameType | None) -> None:
    raise Hang(f"longer than {SLOW} s")


def one(target: Target, folder: Path, rng: random.Random) -> str:
    """Change a file of a target, read it, and restore it. What came of it: "read", "refused", or a fault."""
    file = folder / target.name / rng.choice(target.files)
    whole = file.read_bytes()
    file.write_bytes(mutate(whole, rng))
    signal.alarm(SLOW)
    try:
        target.read(folder / target.name)
        return "read"
    except OddframeError as error:
        return "refused" if "\n" not in str(error).strip() else f"several lines: {error}"
    except (Exception, Hang):
        return traceback.format_exc()
    finally:
        signal.alarm(0)
        file.write_bytes(whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--cases", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", default="", help="targets whose name begins so")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, stop)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    counts: Counter[tuple[str, str]] = Counter()
    faults: dict[str, str] = {}
    end, case = time.monotonic() + 60 * given.minutes, given.first
    try:
        targets = [target for target in make(folder) if target.name.startswith(given.only)]
        for target in targets:
            target.read(folder / target.name)  # whole, each can be read
        while time.monotonic() < end and case < given.first + given.cases:
            target = targets[case % len(targets)]
            outcome = one(target, folder, random.Random(f"{given.seed} {case}"))
            kind = outcome if outcome in ("read", "refused") else "FAULT"
            counts[target.name, kind] += 1
            if kind == "FAULT":
                faults.setdefault(outcome.splitlines()[-1][:120], f"case {case}, {target.name}\n{outcome}")
            case += 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for target in targets:
        print(
            f"{target.name:<24}", *(f"{kind} {counts[target.name, kind]:>7}" for kind in ("read", "refused", "FAULT"))
        )
    total = {kind: sum(n for (_, k), n in counts.items() if k == kind) for kind in ("read", "refused", "FAULT")}
    told = f"{total['read']} read, {total['refused']} refused in one line, {total['FAULT']} faults"
    print(f"{sum(total.values())} cases, seed {given.seed}: {told}")
    for fault in faults.values():
        print(f"\n{fault}")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
