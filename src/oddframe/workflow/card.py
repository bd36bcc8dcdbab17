"""CARD.md: what a bundle is, for people."""

from __future__ import annotations

import re

from oddframe.atomic import write_text
from oddframe.bundle import CARD, Bundle
from oddframe.models.registry import entry
from oddframe.scoring.calibrate import Calibration
from oddframe.workflow.self_check import SCORE, TESTS


def write_card(bundle: Bundle, calibration: Calibration | None) -> None:
    """Write the bundle's CARD.md."""
    write_text(bundle.path / CARD, card_text(bundle, calibration))


def card_text(bundle: Bundle, calibration: Calibration | None) -> str:
    """The text of a bundle's CARD.md."""
    about, recipe, detector = entry(bundle.recipe.model), bundle.recipe, bundle.detector
    lines = [
        f"# {about.title}",
        "",
        f"- System: `{recipe.model}`, preset `{recipe.preset}`, recipe `{recipe.name}`",
        f"- Paper: {about.paper}",
        f"- Parameters: {bundle.parameters:,}",
        *([f"- Cost: {bundle.gflop:.3g} GFLOP per scored frame"] if bundle.gflop else []),
        f"- Input: {detector.sees}",
        f"- Look-ahead: {detector.latency}",
        f"- Bundle: {bundle.id}",
        "",
        "## Trained on",
        "",
        *_training(bundle),
        *_adaptation(bundle),
        *_teaching(bundle),
        "",
        "## Threshold",
        "",
        *_threshold(calibration),
        "",
        *_self_check(bundle),
        *_notes(bundle),
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
    return "\n".join(lines) + "\n"


def with_threshold(card: str, calibration: Calibration) -> str:
    """The text of a card with another section on the threshold; an exported detector has the card of its bundle."""
    section = "\n".join(["## Threshold", "", *_threshold(calibration), ""])
    return re.sub(r"^## Threshold\n.*?(?=^## |\Z)", lambda _: section + "\n", card, flags=re.DOTALL | re.MULTILINE)


def _training(bundle: Bundle) -> list[str]:
    data, seed = bundle.data, bundle.recipe.training.seed
    if data.checkpoint is not None:
        return [f"Imported from `{data.checkpoint}`, trained elsewhere."]
    minutes = sum(sum(parts.values()) for parts in bundle.history["seconds"].values()) / 60
    if data.labels is not None:
        anomalous = sum(video.label or 0 for video in data.videos)
        read = ", ".join(f"{name} ({about.fingerprint})" for name, about in data.features.items())
        return [
            f"{len(data.videos)} labelled videos, {anomalous} with an anomaly, {len(data.heldout_videos)} held out; "
            f"{minutes:.1f} minutes of training, seed {seed}.",
            f"Features: {read}.",
        ]
    rate = f" at {data.frame_rate:.4g} frames/s" if data.frame_rate else ""
    if data.assumed_rate:
        rate += f" without time stamps, for which {data.assumed_rate:g} frames/s were assumed"
    return [
        f"{len(data.videos)} videos, {sum(video.frames or 0 for video in data.videos):,} frames{rate}, of which "
        f"{data.heldout_seconds:.0f} s held out; {minutes:.1f} minutes of training, seed {seed}.",
        *(f"Skipped: {video.name} ({video.reason})." for video in data.skipped),
    ]


def _notes(bundle: Bundle) -> list[str]:
    if not bundle.data.notes:
        return []
    return ["## What speaks against it", "", *(f"- {note}" for note in bundle.data.notes), ""]


def _self_check(bundle: Bundle) -> list[str]:
    auc = bundle.history.get("self_check")
    if not auc:
        return []
    weights = bundle.recipe.scoring.weights or bundle.detector.combination.weights
    table = [
        "| component | " + " | ".join(TESTS.values()) + " | weight |", "|---|" + "---|" * (len(TESTS) + 1),
        *(
            f"| {name} | " + " | ".join(f"{row[test]:.2f}" if test in row else "-" for test in TESTS)
            + (" | |" if name == SCORE else f" | {weights.get(name, 0):.2f} |")
            for name, row in auc.items()
        ),
    ]  # fmt: skip
    return [
        "## Self-check", "",
        "AUC of every component on held-out normal video of this camera with something wrong in it; 0.5 is chance.", "",
        *table, "",
    ]  # fmt: skip


def _adaptation(bundle: Bundle) -> list[str]:
    origin = bundle.data.adapted_from
    if origin is None:
        return []
    seen = ", ".join(map(str, origin.frames))
    return ["", f"Adapted from bundle {origin.bundle} to the windows of `{origin.video}` at frames {seen}."]


def _teaching(bundle: Bundle) -> list[str]:
    taught = bundle.data.taught
    if taught is None:
        return []
    lines = [
        "", "## Learned from marks", "",
        f"Made from bundle {taught.parent} and the marks of people: {taught.normal} events marked as normal and "
        f"{taught.abnormal} as abnormal.", "",
    ]  # fmt: skip
    return lines + [f"- {step['name']}: {step['did']}." for step in bundle.history.get("learned", {}).get("steps", ())]


def _threshold(calibration: Calibration | None) -> list[str]:
    if calibration is None:
        return ["None yet: `oddframe calibrate` finds one on normal video."]
    c = calibration
    text = f"{c.threshold:.6g} (low {c.low:.6g}). It promises {c.sentence()}."
    own = [f"- {name}: {part.threshold:.6g}. It promises {part.sentence()}." for name, part in c.parts.items()]
    table = ["", "Scores are in units of the calibration that holds:", "", *own] if own else []
    return [text, *([c.note + "."] if c.note else []), *table]
