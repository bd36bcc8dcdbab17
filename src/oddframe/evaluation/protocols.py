"""The protocols by name: as papers describe them, as released code computes them, and the honest one.

`paper/SYSTEM` and `code/SYSTEM` hold for every data set; `paper/SYSTEM/DATA` is what was done on one of them, with its
ground truth. Where the two compute the same, the name of the data set only adds on which labels the published figure
rests.
Frames without a complete window have no score, and so need not be dropped here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from oddframe.errors import InputError
from oddframe.evaluation.protocol import GroundTruth, Protocol
from oddframe.settings import Smoothing
from oddframe.types import Combination, Scale, Transform

AVENUE_CODE, AVENUE_CENTRED = Smoothing("code", 37, 11.0), Smoothing("centred", 37, 11.0)
SHANGHAI_CODE, SHANGHAI_CENTRED = Smoothing("code", 899, 282.0), Smoothing("centred", 899, 282.0)
HELD = Smoothing("held", 15, 2.0)
NONE = Smoothing("none")
FUSED = Combination({"map_max": 1.0})
INVERSE = Combination({"fused": 1.0}, {"fused": "reciprocal"})

GROUND_TRUTHS = {
    "ped2": GroundTruth("masks of the release", 2010, 1648),
    "avenue": GroundTruth("the label file of MNAD and MPN", 15324, 3867),
    "shanghaitech": GroundTruth("the label file of MNAD and MPN", 40791, 17326),
}
"""Data set -> the labels that circulate with the released code of MNAD and MPN. For Avenue there are others, with 3712
positives, that differ in 441 frames."""

BEST_EPOCH = "the epoch that is best on the test set"
LAST_EPOCH = "the last epoch"
UNKNOWN = "not stated"
STD_SELECTION = "not stated; the test set was evaluated throughout development"
MPN_SELECTION = "not stated; the released few-shot test reports the checkpoint that is best on the test set"


def memory(frame_term: str, weight: float) -> Combination:
    """MNAD's score: PSNR of the frame and distance to the memory, each min-max normalised per video."""
    return Combination({frame_term: weight, "memory": 1 - weight}, {frame_term: "decibel"}, "per_video_minmax")


def prototypes(weight: float, scale: Scale = "per_video_minmax") -> Combination:
    """MPN's score: PSNR of the frame and of the distance to the prototypes, each min-max normalised."""
    decibel: dict[str, Transform] = {"prediction": "decibel", "prototype": "decibel"}
    return Combination({"prediction": weight, "prototype": 1 - weight}, decibel, scale)


def on(protocol: Protocol, *data: str, known: bool = True) -> Iterator[Protocol]:
    """The protocol itself, and the same on each data set; `known`: on the labels of `GROUND_TRUTHS`."""
    yield protocol
    for name in data:
        truth = GROUND_TRUTHS.get(name) if known else None
        yield replace(protocol, name=f"{protocol.name}/{name}", data=name, ground_truth=truth)


def _sdmae() -> Iterator[Protocol]:
    paper = Protocol(
        "paper/sdmae/avenue",
        "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width of the Gaussian from the released code",
        combination=FUSED,
        smoothing=AVENUE_CENTRED,
        one_class="pad",
        selection=BEST_EPOCH,
        data="avenue",
    )
    unknown = "Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width not published, Avenue's is used"
    ped2 = replace(paper, name="paper/sdmae/ped2", description=unknown, data="ped2", ground_truth=GROUND_TRUTHS["ped2"])
    yield paper
    yield replace(
        paper,
        name="paper/sdmae/shanghaitech",
        description="Ristea et al., CVPR 2024, Eq. 6: maximum of the fused map; width, min-max from the code",
        smoothing=SHANGHAI_CENTRED,
        normalise="per_video_minmax",
        data="shanghaitech",
    )
    yield replace(paper, name="paper/sdmae/ubnormal", description=unknown, data="ubnormal")
    yield ped2
    yield replace(
        ped2,
        name="paper/sdmae/ped2-minmax",
        description="as paper/sdmae/ped2, and min-max per video, as is usual in publications on Ped2",
        normalise="per_video_minmax",
    )
    code = Protocol(
        "code/sdmae/avenue",
        "as SDMAE's released code scores Avenue: both errors added, its own filter",
        combination=Combination({"teacher": 1.0, "student": 1.0}),
        smoothing=AVENUE_CODE,
        one_class="pad",
        selection=BEST_EPOCH,
        data="avenue",
    )
    yield code
    yield replace(
        code,
        name="code/sdmae/shanghaitech",
        description="as SDMAE's released code scores ShanghaiTech: teacher error, its own filter, min-max per video",
        combination=Combination({"teacher": 1.0}),
        smoothing=SHANGHAI_CODE,
        normalise="per_video_minmax",
        data="shanghaitech",
    )
    yield replace(
        code,
        name="code/sdmae/cls-head/avenue",
        description="the released branch with a class head, after a copy by others (unverified): 1.05, 0.53 and 0.53",
        combination=Combination({"teacher": 1.05, "student": 0.53, "class": 0.53}),
        smoothing=Smoothing("code", 99, 11.0),
    )
    head = replace(
        code,
        name="code/sdmae/cls-head",
        description="the same copy (unverified) on all but Avenue: plain sum, a wider filter, min-max per video",
        combination=Combination({"teacher": 1.0, "student": 1.0, "class": 1.0}),
        smoothing=Smoothing("code", 119, 16.0),
        normalise="per_video_minmax",
        data="",
    )
    yield head
    yield replace(
        head,
        name="code/sdmae/cls-head/best-width",
        description="the same copy with the best of the three widths that its author tried on the test set",
        candidates=(Smoothing("code", 119, 16.0), Smoothing("code", 199, 20.0), Smoothing("code", 299, 30.0)),
    )


def _memae() -> Iterator[Protocol]:
    code = Protocol(
        "code/memae",
        "as MemAE's released code scores: clip error, min-max per video, unsmoothed",
        combination=Combination({"reconstruction": 1.0}),
        smoothing=NONE,
        normalise="per_video_minmax",
        selection=LAST_EPOCH,
    )
    paper = replace(
        code,
        name="paper/memae",
        description="Gong et al., ICCV 2019: reconstruction error of the clip, min-max per video, unsmoothed",
        selection=UNKNOWN,
    )
    yield from on(code, "ped2")  # no other is released
    yield from on(paper, "ped2")
    yield from list(on(paper, "avenue", "shanghaitech", known=False))[1:]


def _mnad() -> Iterator[Protocol]:
    prediction = Protocol(
        "paper/mnad",
        "Park et al., CVPR 2020, prediction: 0.6 PSNR and 0.4 memory distance, both min-max per video, unsmoothed",
        combination=memory("prediction", 0.6),
        smoothing=NONE,
        selection=UNKNOWN,
    )
    reconstruction = replace(
        prediction,
        name="paper/mnad/reconstruction",
        description="Park et al., CVPR 2020, reconstruction: 0.7 PSNR and 0.3 memory distance, else as paper/mnad",
        combination=memory("reconstruction", 0.7),
    )
    for paper in (prediction, reconstruction):
        yield from on(paper, "ped2", "avenue", "shanghaitech")
        name = paper.name.replace("paper/", "code/")
        says = f"as MNAD's released code scores: what {paper.name} says, of the distance that the preset `code` makes"
        code = replace(paper, name=name, description=says, selection=LAST_EPOCH)
        yield from on(code, "ped2", "avenue", "shanghaitech")


def _mpn() -> Iterator[Protocol]:
    paper = Protocol(
        "paper/mpn",
        "Lv et al., CVPR 2021: PSNR of frame and features in equal parts, both min-max per video, unsmoothed",
        combination=prototypes(0.5),
        smoothing=NONE,
        selection=MPN_SELECTION,
    )
    code = replace(
        paper,
        name="code/mpn",
        description="as MPN's released code scores: paper/mpn, and a Gaussian over 15 frames that looks ahead",
        smoothing=HELD,
    )
    yield from on(paper, "ped2", "avenue", "shanghaitech")
    yield replace(paper, name="paper/mpn/ped1", data="ped1")
    yield from on(code, "ped2", "shanghaitech")
    yield replace(
        code,
        name="code/mpn/avenue",
        description="as MPN's code means to score Avenue (it stops with an error): min-max over the whole set",
        combination=prototypes(0.5, "dataset_minmax"),
        data="avenue",
        ground_truth=GROUND_TRUTHS["avenue"],
    )
    yield replace(
        code,
        name="code/mpn/meta",
        description="as MPN's released few-shot test: 0.7 PSNR, and 0.3 of the feature error with the wrong sign",
        combination=Combination({"prediction": 0.7, "prototype": -0.3}, {"prediction": "decibel"}, "per_video_minmax"),
        selection=BEST_EPOCH,
    )


def _std() -> Iterator[Protocol]:
    paper = Protocol(
        "paper/std",
        "Chang et al., PR 2022: error times cluster distance, min-max per video, each score at its own frame",
        combination=Combination({"fused": 1.0}),
        smoothing=NONE,
        normalise="per_video_minmax",
        selection=STD_SELECTION,
    )
    code = replace(
        paper,
        name="code/std",
        description="as STD's released code scores: 1/S, min-max per video, compared with the next frame's label",
        combination=INVERSE,
        label_shift=1,
    )
    for protocol in (paper, code):
        yield from on(protocol, "ped2", "avenue", "shanghaitech")


HONEST = Protocol(
    "honest",
    "the system's own score, causal, nothing normalised per video, nothing tuned or selected on test data",
    online=True,
    selection="nothing on test data",
)
PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (HONEST, *_sdmae(), *_memae(), *_mnad(), *_mpn(), *_std())
}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    if name not in PROTOCOLS:
        near = get_close_matches(name, PROTOCOLS, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ";"
        raise InputError(f"there is no protocol {name!r}{hint} `oddframe protocols` lists them")
    return PROTOCOLS[name]


def known_data(name: str) -> str | None:
    """The data set that the name of a test set means, as protocols call it: "ped2" for "UCSD Ped2"; else None.

    What stands in brackets, such as the version of the ground truth, is not looked at.
    """
    plain = "".join(letter for letter in name.partition("(")[0].casefold() if letter.isalnum())
    for data in {protocol.data for protocol in PROTOCOLS.values() if protocol.data}:
        if plain.removeprefix("ucsd").removeprefix("cuhk") == data:
            return data
    return None


def protocols_for(system: str, components: set[str], data: str | None = None) -> list[Protocol]:
    """`honest`, and every protocol of a system that its scores allow and that computes something of its own.

    Args:
        components: those that the scores have.
        data: "ped2", say: the protocols of that data set take the place of the general ones that compute the same, and
            those of other data sets are left out. None: of a data set's protocols, those that no general one equals.
    """
    usable = [
        protocol
        for protocol in PROTOCOLS.values()
        if protocol.system == system
        and (protocol.combination is None or components >= set(protocol.combination.weights))
    ]
    if data is None:
        general = {protocol.name: protocol for protocol in usable if not protocol.data}
        chosen = [p for p in usable if not p.data or not _equals(p, general.get(p.name.rpartition("/")[0]))]
    else:
        of_data = {p.name.rpartition("/")[0] for p in usable if p.data == data}
        chosen = [p for p in usable if p.data == data or (not p.data and p.name not in of_data)]
    return [HONEST, *chosen]


def _equals(protocol: Protocol, other: Protocol | None) -> bool:
    return other is not None and protocol.computes_like(other)
