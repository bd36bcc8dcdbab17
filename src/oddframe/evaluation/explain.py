"""Description of a protocol in words, for tables and reports."""

from __future__ import annotations

from oddframe.evaluation.protocol import Protocol
from oddframe.settings import Smoothing
from oddframe.types import Combination

SCALES = {
    "none": "",
    "normal": "each in standard deviations on normal video",
    "per_video_minmax": "each min-max per video",
    "dataset_minmax": "each min-max over the test set",
}
KINDS = {
    "code": "zero-padded, lags 1 frame",
    "held": "centred, ends held",
    "centred": "centred, divided by the weights inside",
    "causal": "causal",
}


def explain(protocol: Protocol) -> dict[str, str]:
    """Describe a protocol: name of its part -> a short phrase, or "-" if the part does nothing.

    Parts: score, dropped, smoothing, normalisation, label, macro, ground truth, selection, causal.
    """
    truth, first_last = protocol.ground_truth, protocol.dropped
    default = "the system's own" + (", causal" if protocol.online else "")
    if protocol.candidates:
        smoothing = "the best on the test set of: " + "; ".join(map(in_words, protocol.candidates))
    else:
        smoothing = in_words(protocol.smoothing) if protocol.smoothing else default
    looks = "no" if protocol.looks_beyond or protocol.candidates else "yes"
    causal = looks if protocol.online or (protocol.smoothing and protocol.smoothing.causal) else "no"
    macro = "skips videos of one class" if protocol.one_class == "skip" else "pads every video with (0, 0) and (1, 1)"
    return {
        "score": score_in_words(protocol.combination) if protocol.combination else "the system's own",
        "dropped": f"{first_last[0]} first, {first_last[1]} last frames" if any(first_last) else "-",
        "smoothing": smoothing,
        "normalisation": "min-max per video" if protocol.normalise == "per_video_minmax" else "-",
        "label": f"of frame t{protocol.label_shift:+d}" if protocol.label_shift else "of the scored frame",
        "macro": macro,
        "ground truth": f"{truth.positives} of {truth.frames}, {truth.version}" if truth else "-",
        "selection": protocol.selection or "-",
        "causal": causal,
    }


def in_words(how: Smoothing) -> str:
    """Describe a smoothing filter."""
    return "none" if how.kind == "none" else f"Gaussian, {how.taps} taps, sigma {how.sigma:g}, {KINDS[how.kind]}"


def score_in_words(how: Combination) -> str:
    """Describe a combination of components."""
    forms = {"decibel": "PSNR of {}", "reciprocal": "1/{}"}
    terms = []
    for name, weight in how.weights.items():
        term = forms[how.transform[name]].format(name) if name in how.transform else name
        terms.append(term if weight == 1 else f"{weight:g} {term}")
    return " + ".join(terms) + (f", {SCALES[how.scale]}" if SCALES[how.scale] else "")
