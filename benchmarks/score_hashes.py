"""Hashes of what a fixed set of bundles says of a fixed set of videos: equal if a change keeps numbers.

    python benchmarks/score_hashes.py STREET

STREET is a folder that holds the same street for all runs; it is rendered where it does not exist, since x264 does not
always write the same file.
Every system is trained for a few steps on a small street, scored, and its components, scores and events are hashed. One
detector is exported and scored without torch; the bag detectors are evaluated on invented features. The commands alone
are used, so the script runs unchanged while the inside is rebuilt. Hashes hold for one machine and one thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SYSTEMS = ("sdmae", "std", "memae", "mnad", "mpn", "mpn-meta")
EVENT = ("video", "start_frame", "peak_frame", "end_frame", "start_s", "peak_s", "end_s", "score", "box", "why")
ROW = ("protocol", "micro", "macro")  # what the rows of `evaluate --json` are compared by


def oddframe(*words: object) -> str:
    """Run a command with one thread; its standard output."""
    code = "import sys; from oddframe.cli import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"oddframe {' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def digest(folder: Path) -> str:
    """A hash of all scores and events in a folder that `score` wrote."""
    total = hashlib.sha256()
    for path in sorted((folder / "scores").rglob("*.npz")):
        with np.load(path) as stored:
            for name in sorted(stored.files):
                array = stored[name]
                if array.dtype.kind == "f" and array.ndim:
                    total.update(name.encode() + array.tobytes())
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        total.update(json.dumps([event[key] for key in EVENT]).encode())
    return total.hexdigest()[:16]


def invent(folder: Path) -> list[str]:
    """Labelled videos' features, train.csv and test.csv; the options that name the features."""
    random = np.random.default_rng(1)
    lines = {"train": ["video,label"], "test": ["video,label,class,frames,start_frame,end_frame"]}
    for part, count in (("train", 40), ("test", 16)):
        for number in range(count):
            label, snippets = number % 2, int(random.integers(12, 40))
            start = int(random.integers(0, snippets - 6))
            for name, width in (("seen", 12), ("heard", 6)):
                features = random.normal(size=(snippets, width))
                features[start : start + 6, 0] += 6 * label
                (folder / name).mkdir(parents=True, exist_ok=True)
                np.save(folder / name / f"{part}{number:02}.npy", features.astype(np.float32))
            about = f"{'Noise' if label else 'Normal'},{16 * snippets}"
            where = f"{16 * start},{16 * (start + 6) - 1}" if label else ","
            more = f",{about},{where}" if part == "test" else ""
            lines[part].append(f"{part}{number:02}{'.mp4' if part == 'train' else ''},{label}{more}")
    for part, rows in lines.items():
        (folder / f"{part}.csv").write_text("\n".join(rows), encoding="utf-8")
    return [word for name in ("seen", "heard") for word in ("--features", f"{name}=crops:{folder / name}")]


def figures(text: str) -> str:
    """A hash of the rows that `evaluate --json` printed."""
    return hashlib.sha256(json.dumps(json.loads(text)["rows"], sort_keys=True).encode()).hexdigest()[:16]


def main() -> None:
    street = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ["ODDFRAME_CACHE"] = str(root / "cache")
        size = ("--videos", 5, "--test-videos", 2, "--seconds", 5, "--seed", 3)
        if not street.is_dir():
            oddframe("data", "world", street, *size)
        training, testing = street / "training/videos", street / "testing/videos"
        for system in SYSTEMS:
            run, out = root / system, root / f"{system}-scores"
            oddframe("fit", training, "--recipe", f"{system}-small", "--out", run, "--budget", "12steps",
                     "--set", "training.batch_size=16", "--quantile", 0.95)  # fmt: skip
            oddframe("score", run, testing, "--out", out, "--no-overlay")
            print(f"{system:12} {digest(out)}", flush=True)
        text = oddframe("evaluate", root / "sdmae", "--data", f"folder:{street / 'testing'}", "--json")
        print(f"{'evaluate':12} {figures(text)}", flush=True)
        oddframe("export", root / "sdmae", "--to", "onnx", "--out", root / "exported", "--video", testing / "01.mp4")
        oddframe("score", root / "exported", testing, "--out", root / "exported-scores", "--no-overlay")
        print(f"{'sdmae, onnx':12} {digest(root / 'exported-scores')}", flush=True)
        features = invent(root / "weak")
        for system, chosen in (("mil", features[:2]), ("dakd", features)):
            oddframe("fit", root / "weak/train.csv", "--recipe", f"{system}-small", "--out", root / system, *chosen,
                     "--budget", "20epochs", "--quantile", 0.9, "--set", "options.segments=8",
                     "--set", "training.batch_size=16")  # fmt: skip
            text = oddframe("evaluate", root / system, "--data", root / "weak/test.csv", *chosen, "--json")
            print(f"{system:12} {figures(text)}", flush=True)


if __name__ == "__main__":
    main()
