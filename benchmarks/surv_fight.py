"""Weak supervision from video files to a student: 300 surveillance clips with one label each, fight or no fight.

    python benchmarks/surv_fight.py CLIPS BACKBONES OUT [--seeds 0 1 2] [--student mobilenet_v2]

CLIPS holds `train.csv`, `test.csv` (video,label) and the videos; BACKBONES holds mobilenet_v1.onnx, mobilenet_v2.onnx
and squeezenet1_1.onnx. Features of all clips are extracted with every backbone; then come, for every seed, MIL ranking
and DAKD's network on each backbone alone, a teacher on all three, and its student on one. Printed is the AUC of the
100 test clips, by the highest score in each. Last, the student's bundle scores a test clip from its pixels. Begun
again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from oddframe.features.store import Opening
from oddframe.settings import TrainingOptions
from oddframe.workflow.evaluate_bags import evaluate_bags
from oddframe.workflow.features import extract_features
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions

MOBILENET = "resize: [224, 224]\nmean: 128\nstd: 128\n"
SQUEEZENET = "resize: [227, 227]\ncolour: bgr\nmean: [103.939, 116.779, 123.68]\nstd: 1\n"
BACKBONES = {"mobilenet_v1": MOBILENET, "mobilenet_v2": MOBILENET, "squeezenet1_1": SQUEEZENET}
DIMS = {"mobilenet_v1": 1024, "mobilenet_v2": 1280, "squeezenet1_1": 512}


def extract_all(clips: Path, backbones: Path, out: Path) -> dict[str, str]:
    """Backbone -> its store."""
    stores = {}
    for name, description in BACKBONES.items():
        preprocessing = out / f"{name}.yaml"
        preprocessing.write_text(description, encoding="utf-8")
        opening = Opening(f"onnx:{backbones / name}.onnx", preprocessing=preprocessing)
        done = extract_features(opening, clips, out / "features" / name)
        speed = f"{done.frames / done.wall:.0f} frames/s" if done.extracted else "done before"
        shares = ", ".join(f"{what} {share:.0%}" for what, share in done.shares.items())
        print(f"{name}: {len(done.store.videos)} clips, {speed}; {shares}", flush=True)
        stores[name] = str(done.store.path)
    return stores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("backbones", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--student", default="mobilenet_v2", choices=BACKBONES)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stores = extract_all(arguments.clips, arguments.backbones, arguments.out)

    trials: list[tuple[str, str, list[str], list[str]]] = []
    for name in stores:
        trials.append((f"MIL, {name}", "mil-small", [name], []))
        trials.append((f"DAKD network, {name}", "dakd-small", [name], ["options.student=null"]))
    together = [arguments.student, *(name for name in stores if name != arguments.student)]
    trials.append(("DAKD, all", "dakd-small", together, [f"options.student={arguments.student}"]))

    found: dict[str, list[float]] = {}
    for title, recipe, names, changes in trials:
        for seed in arguments.seeds:
            out = arguments.out / f"{title.replace(', ', '-').replace(' ', '-')}-{seed}"
            features = [stores[name] for name in names]
            dims = ", ".join(f"{name}: {DIMS[name]}" for name in names)
            run = fit(
                str(arguments.clips / "train.csv"), recipe=recipe, out=out,
                training=TrainingOptions(features=features, resume=True),
                changes=[f"training.seed={seed}", f"options.backbones={{{dims}}}", *changes],
            )  # fmt: skip
            rows = evaluate_bags(run, str(arguments.clips / "test.csv"), features).rows
            for component in run.detector.components:
                found.setdefault(f"{title}: {component}", []).append(rows[component].video_auc)
            if title == "DAKD, all" and seed == arguments.seeds[0]:
                student = run

    print(f"\n{'':<34} video AUC, mean over seeds {', '.join(map(str, arguments.seeds))}")
    for title, values in found.items():
        spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"{title:<34} {statistics.mean(values):.4f}{spread}")

    with (arguments.clips / "test.csv").open(encoding="utf-8") as file:
        clip = arguments.clips / next(line.split(",")[0] for line in file if line.startswith("fight/"))
    (scores,) = student.score(clip, arguments.out / "scored", outputs=OutputOptions(force=True))
    print(
        f"\n{clip.name} from its pixels: {len(scores.frame)} frames, highest score {scores.score.max():.3f} at "
        f"{scores.time[scores.score.argmax()]:.2f} s"
    )


if __name__ == "__main__":
    main()
