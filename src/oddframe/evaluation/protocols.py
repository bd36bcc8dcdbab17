"""The protocols by name: as papers describe them, as released code computes them, and the honest one.

Where a system has no protocol "code/...", its released code does what the paper says. Frames without a complete window
have no score, and so need not be dropped here.
"""

from __future__ import annotations

from oddframe.errors import InputError
from oddframe.evaluation.protocol import Protocol
from oddframe.scoring.smooth import Smoothing
from oddframe.types import Combination, Transform

AVENUE_CODE, AVENUE_CENTRED = Smoothing("code", 37, 11.0), Smoothing("centred", 37, 11.0)
SHANGHAI_CODE, SHANGHAI_CENTRED = Smoothing("code", 899, 282.0), Smoothing("centred", 899, 282.0)
HELD = Smoothing("held", 15, 2.0)
NONE = Smoothing("none")
FUSED = Combination({"map_max": 1.0})
INVERSE = Combination({"fused": 1.0}, {"fused": "reciprocal"})


def memory(frame_term: str, weight: float) -> Combination:
    """MNAD's score: PSNR of the frame and distance to the memory, each min-max normalised per video."""
    return Combination({frame_term: weight, "memory": 1 - weight}, {frame_term: "decibel"}, "per_video_minmax")


def prototypes(weight: float) -> Combination:
    """MPN's score: PSNR of the frame and of the distance to the prototypes, each min-max normalised per video."""
    decibel: dict[str, Transform] = {"prediction": "decibel", "prototype": "decibel"}
    return Combination({"prediction": weight, "prototype": 1 - weight}, decibel, "per_video_minmax")


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "honest",
            "the system's own score, causal, nothing normalised per video, nothing tuned or selected on test data",
            online=True,
        ),
        Protocol(
            "code/sdmae/avenue",
            "as SDMAE's released code scores Avenue: both errors added, its own filter",
            combination=Combination({"teacher": 1.0, "student": 1.0}),
            smoothing=AVENUE_CODE,
            one_class="pad",
        ),
        Protocol(
            "code/sdmae/shanghaitech",
            "as SDMAE's released code scores ShanghaiTech: teacher error, its own filter, min-max per video",
            combination=Combination({"teacher": 1.0}),
            smoothing=SHANGHAI_CODE,
            normalise="per_video_minmax",
            one_class="pad",
        ),
        Protocol(
            "paper/sdmae/avenue",
            "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width of the Gaussian from the released code",
            combination=FUSED,
            smoothing=AVENUE_CENTRED,
            one_class="pad",
        ),
        Protocol(
            "paper/sdmae/shanghaitech",
            "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width and min-max from the released code",
            combination=FUSED,
            smoothing=SHANGHAI_CENTRED,
            normalise="per_video_minmax",
            one_class="pad",
        ),
        Protocol(
            "paper/sdmae/ubnormal",
            "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width not published, Avenue's is used",
            combination=FUSED,
            smoothing=AVENUE_CENTRED,
            one_class="pad",
        ),
        Protocol(
            "paper/sdmae/ped2",
            "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width not published, Avenue's is used",
            combination=FUSED,
            smoothing=AVENUE_CENTRED,
            one_class="pad",
        ),
        Protocol(
            "paper/sdmae/ped2-minmax",
            "as paper/sdmae/ped2, and min-max per video, as is usual in publications on Ped2",
            combination=FUSED,
            smoothing=AVENUE_CENTRED,
            normalise="per_video_minmax",
            one_class="pad",
        ),
        Protocol(
            "code/memae",
            "as MemAE's released code scores: clip error, min-max per video, unsmoothed",
            combination=Combination({"reconstruction": 1.0}),
            smoothing=NONE,
            normalise="per_video_minmax",
        ),
        Protocol(
            "paper/memae",
            "Gong et al., ICCV 2019: reconstruction error of the clip, min-max per video, unsmoothed",
            combination=Combination({"reconstruction": 1.0}),
            smoothing=NONE,
            normalise="per_video_minmax",
        ),
        Protocol(
            "paper/mnad",
            "Park et al., CVPR 2020, prediction: 0.6 PSNR and 0.4 memory distance, both min-max per video, unsmoothed",
            combination=memory("prediction", 0.6),
            smoothing=NONE,
        ),
        Protocol(
            "paper/mnad/reconstruction",
            "Park et al., CVPR 2020, reconstruction: 0.7 PSNR and 0.3 memory distance, else as paper/mnad",
            combination=memory("reconstruction", 0.7),
            smoothing=NONE,
        ),
        Protocol(
            "paper/mpn",
            "Lv et al., CVPR 2021: PSNR of frame and features in equal parts, both min-max per video, unsmoothed",
            combination=prototypes(0.5),
            smoothing=NONE,
        ),
        Protocol(
            "code/mpn",
            "as MPN's released code scores: paper/mpn, and a Gaussian over 15 frames that looks ahead",
            combination=prototypes(0.5),
            smoothing=HELD,
        ),
        Protocol(
            "paper/std",
            "Chang et al., PR 2022: error times cluster distance, min-max per video, each score at its own frame",
            combination=Combination({"fused": 1.0}),
            smoothing=NONE,
            normalise="per_video_minmax",
        ),
        Protocol(
            "code/std",
            "as STD's released code scores: 1/S, min-max per video, each score compared with the next frame's label",
            combination=INVERSE,
            smoothing=NONE,
            normalise="per_video_minmax",
            label_shift=1,
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: there is none; the message lists those that exist.
    """
    if name not in PROTOCOLS:
        raise InputError(f"there is no protocol {name!r}; there are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
