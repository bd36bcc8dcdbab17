"""Weak supervision from video files to a student: 300 surveillance clips with one label each, fight or no fight.

    python benchmarks/surv_fight.py CLIPS BACKBONES OUT [--seeds 0 1 2] [--networks squeezenet1_1 ...]

CLIPS holds `train.csv`, `test.csv` (video,label) and the videos; BACKBONES holds mobilenet_v1.onnx, mobilenet_v2.onnx
and squeezenet1_1.onnx; efficientnet-lite0 brings its own weights. Features of all clips, mean and change, are extracted
with every network, once. Then come, for every seed, MIL ranking on each network alone and on all, a DAKD teacher on
all, and its student on the first. Printed is the AUC of the 100 test clips, by the highest score in each, after the
baselines: of all training clips, and of those that a run learns from. `--extract-only` stops before any training, so
that `surv_crossval.py` can choose settings on training clips. Last, the student's bundle scores a test clip from its
pixels. Begun again, it goes on where it was.

`--mil` and `--dakd` give changes of the recipes mil-small and dakd-small, as `--set` of `oddframe fit` does.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from oddframe.evaluation.auc import roc_auc
from oddframe.evaluation.weak_baselines import summarise, weak_baselines
from oddframe.features.collection import Collection
from oddframe.features.store import Opening, open_store
from oddframe.settings import TrainingOptions
from oddframe.workflow.evaluate_bags import evaluate_bags
from oddframe.workflow.features import ExtractOptions, extract_features
from oddframe.workflow.fit import fit
from oddframe.workflow.outputs import OutputOptions

MOBILENET = "resize: [224, 224]\nmean: 128\nstd: 128\n"
SQUEEZENET = "resize: [227, 227]\ncolour: bgr\nmean: [103.939, 116.779, 123.68]\nstd: 1\n"
LITE0 = "efficientnet-lite0"
NETWORKS = {"squeezenet1_1": SQUEEZENET, "mobilenet_v2": MOBILENET, LITE0: "", "mobilenet_v1": MOBILENET}


def extract_all(clips: Path, backbones: Path, out: Path, networks: Sequence[str]) -> dict[str, str]:
    """Network -> its store, with mean and change."""
    stores = {}
    for name in networks:
        opening = Opening(LITE0, channels="mean+change")
        if name != LITE0:
            preprocessing = out / f"{name}.yaml"
            preprocessing.write_text(NETWORKS[name], encoding="utf-8")
            opening = Opening(f"onnx:{backbones / name}.onnx", preprocessing=preprocessing, channels="mean+change")
        done = extract_features(opening, clips, out / "features" / name, ExtractOptions(workers=1))
        speed = f"{done.frames / done.wall:.0f} frames/s" if done.extracted else "done before"
        shares = ", ".join(f"{what} {share:.0%}" for what, share in done.shares.items())
        print(f"{name}: {len(done.store.videos)} clips, {speed}; {shares}", flush=True)
        stores[name] = str(done.store.path)
    return stores


def labels(path: Path) -> dict[str, int]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["video"]: int(row["label"]) for row in csv.DictReader(file)}


def baselines_of_all(clips: Path, stores: dict[str, str]) -> dict[str, float]:
    """Video AUC of every baseline that learns from all 200 training clips; one look at the test clips."""
    collection, names = Collection(stores.values()), list(stores)
    channels = {name: collection.sources[name][0].channels for name in names}
    training, test = (labels(clips / f"{part}.csv") for part in ("train", "test"))
    known = [{clip: summarise(collection.load(clip, names), channels) for clip in part} for part in (test, training)]
    found, notes = weak_baselines(known[0], known[1], training)
    assert not notes, notes
    return {name: roc_auc(np.array(list(test.values())), list(one.score.values())) for name, one in found.items()}


def table(found: dict[str, list[float]]) -> None:
    for title, values in found.items():
        spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        each = f"   {' '.join(f'{value:.4f}' for value in values)}" if len(values) > 1 else ""
        print(f"{title:<44} {statistics.mean(values):.4f}{spread}{each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("backbones", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--extract-only", action="store_true")
    parser.add_argument("--mil", nargs="*", default=[])
    parser.add_argument("--mil-budget")
    parser.add_argument("--dakd", nargs="*", default=[])
    parser.add_argument("--dakd-budget")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stores = extract_all(arguments.clips, arguments.backbones, arguments.out, arguments.networks)
    if arguments.extract_only:
        return

    together, budgets = list(stores), {"mil-small": arguments.mil_budget, "dakd-small": arguments.dakd_budget}
    trials = [(f"MIL, {name}", "mil-small", [name], arguments.mil) for name in together]
    trials.append(("MIL, all", "mil-small", together, arguments.mil))
    student_of = [f"options.student={together[0]}", *arguments.dakd]
    trials.append(("DAKD", "dakd-small", together, student_of))
    found: dict[str, list[float]] = {}
    beside: dict[str, list[float]] = {}
    for title, recipe, names, changes in trials:
        for seed in arguments.seeds:
            began = time.process_time()
            out = arguments.out / f"{title.replace(', ', '-')}-{seed}"
            features = [stores[name] for name in names]
            dims = ", ".join(f"{name}: {open_store(stores[name]).dim}" for name in names)
            run = fit(
                str(arguments.clips / "train.csv"), recipe=recipe, out=out,
                training=TrainingOptions(features=features, resume=True, budget=budgets[recipe], progress=False),
                changes=[f"training.seed={seed}", f"options.backbones={{{dims}}}", *changes],
            )  # fmt: skip
            evaluation = evaluate_bags(run, str(arguments.clips / "test.csv"), features)
            for component in run.detector.components:
                found.setdefault(f"{title}: {component}", []).append(evaluation.rows[component].video_auc)
            print(f"{title}, seed {seed}: {time.process_time() - began:.0f} s; {evaluation.ahead}", flush=True)
            if recipe == "dakd-small":
                for name in evaluation.baselines:
                    beside.setdefault(name, []).append(evaluation.rows[name].video_auc)
                if seed == arguments.seeds[0]:
                    student = run

    print("\nbaselines, all training clips: video AUC")
    table({name: [value] for name, value in baselines_of_all(arguments.clips, stores).items()})
    print(f"\nbaselines, the clips that runs of seeds {', '.join(map(str, arguments.seeds))} learn from")
    table(beside)
    print("\nnetworks, the same clips")
    table(found)

    clip = next(arguments.clips / name for name in labels(arguments.clips / "test.csv") if name.startswith("fight/"))
    (scores,) = student.score(clip, arguments.out / "scored", outputs=OutputOptions(force=True))
    print(
        f"\n{clip.name} from its pixels: {len(scores.frame)} frames, highest score {scores.score.max():.3f} at "
        f"{scores.time[scores.score.argmax()]:.2f} s"
    )


if __name__ == "__main__":
    main()
