"""CARD.md: what a bundle is, for people."""

from __future__ import annotations

from oddframe.atomic import write_text
from oddframe.bundle import CARD, Bundle
from oddframe.models.registry import entry
from oddframe.runtime.cost import flops_per_frame
from oddframe.scoring.calibrate import Calibration


def write_card(bundle: Bundle, calibration: Calibration | None) -> None:
    """Write the bundle's CARD.md."""
    about, recipe, detector = entry(bundle.recipe.model), bundle.recipe, bundle.detector
    parameters = sum(p.numel() for p in detector.parameters())
    lines = [
        f"# {about.title}",
        "",
        f"- System: `{recipe.model}`, preset `{recipe.preset}`, recipe `{recipe.name}`",
        f"- Paper: {about.paper}",
        f"- Parameters: {parameters:,}",
        f"- Cost: {flops_per_frame(detector) / 1e9:.3g} GFLOP per scored frame",
        f"- Input: {detector.sees}",
        f"- Look-ahead: {detector.latency}",
        f"- Bundle: {bundle.id}",
        "",
        "## Trained on",
        "",
        *_training(bundle),
        *_adaptation(bundle),
        "",
        "## Threshold",
        "",
        *_threshold(calibration),
        "",
        "## Limits",
        "",
        "It knows only what the training video shows as normal. The threshold holds for that camera, time of day and",
        "season; calibrate again on normal video of the place of use.",
    ]
    if about.figures:
        lines += ["", "## What others report", "", "Micro AUC of the published system, not of this bundle.", ""]
        lines += [f"- {figure.data}: {figure.auc:g} ({figure.origin})" for figure in about.figures]
    if about.citation:
        lines += ["", "## Citation", "", about.citation]
    write_text(bundle.path / CARD, "\n".join(lines) + "\n")


def _training(bundle: Bundle) -> list[str]:
    if "videos" not in bundle.data:
        return [f"Imported from `{bundle.data['checkpoint']}`, trained elsewhere."]
    videos = bundle.data["videos"]
    if "labels" in bundle.data:
        anomalous = sum(video["label"] for video in videos)
        minutes = sum(sum(parts.values()) for parts in bundle.history["seconds"].values()) / 60
        read = ", ".join(f"{name} ({about['fingerprint']})" for name, about in bundle.data["features"].items())
        return [
            f"{len(videos)} labelled videos, {anomalous} with an anomaly, {len(bundle.data['heldout'])} held out; "
            f"{minutes:.1f} minutes of training, seed {bundle.recipe.training.seed}.",
            f"Features: {read}.",
        ]
    seconds = sum(sum(parts.values()) for parts in bundle.history["seconds"].values())
    return [
        f"{len(videos)} videos, {sum(v['frames'] for v in videos):,} frames, of which "
        f"{bundle.data['heldout_seconds']:.0f} s held out; {seconds / 60:.1f} minutes of training, "
        f"seed {bundle.recipe.training.seed}.",
        *(f"Skipped: {v['name']} ({v['reason']})." for v in bundle.data["skipped"]),
    ]


def _adaptation(bundle: Bundle) -> list[str]:
    if "adapted_from" not in bundle.data:
        return []
    origin = bundle.data["adapted_from"]
    seen = ", ".join(map(str, origin["frames"]))
    return ["", f"Adapted from bundle {origin['bundle']} to the windows of `{origin['video']}` at frames {seen}."]


def _threshold(calibration: Calibration | None) -> list[str]:
    if calibration is None:
        return ["None yet: `oddframe calibrate` finds one on normal video."]
    c = calibration
    asked = f"the {c.quantile:g} quantile" if c.quantile is not None else f"at most {c.rate:.3g} alarms per hour"
    text = f"{c.threshold:.6g} (low {c.low:.6g}), {asked} of held-out video; {c.sentence()}."
    return [text, *([c.note + "."] if c.note else [])]
