"""XD-Violence: Wu, Liu, Shi, Sun, Shao, Wu, Yang, Not only Look, but also Listen, ECCV 2020.

    rgb.list, rgb_test.list     paths of features, one line per crop: .../NAME__0.npy; or flow.list, flow_test.list; or
                                audio.list, audio_test.list (NAME__vggish.npy); or train.list, test.list; or VadCLIP's
                                xd_CLIP_rgb.csv, xd_CLIP_rgbtest.csv
    annotations.txt             NAME s1 e1 s2 e2 ... of the anomalous test videos; or XD_Annotation.txt
    gt/ or xd-gt/               optional: NAME.npy, one 0 or 1 per frame

Each of them may lie up to two folders below PATH. A name ends with the classes: `_label_A` is normal, `_label_B2-G-0`
is a shooting and an explosion (0 is padding). Names contain "#", "=" and letters of many languages. Some lines of the
annotation have a suffix ".mp4" that the lists do not have. `oddframe.datasets.weak.labels` explains how frame numbers
are interpreted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from oddframe.datasets.label_files import (
    check_folder,
    compare_arrays,
    find,
    merge_events,
    pairs,
    read_lines,
    read_list,
    whole_numbers,
)
from oddframe.datasets.weak import NORMAL, Published, WeakSet, WeakVideo
from oddframe.errors import InputError
from oddframe.types import Interval

PUBLISHED = Published(
    train=(1905, 2049),
    test=(500, 300),
    frames=2_330_384,
    positives=537_805,
    made="rule exclusive, 16 frames for every snippet of the released features",
)
TRAIN = ("rgb.list", "flow.list", "audio.list", "train.list", "xd_CLIP_rgb.csv")
TEST = ("rgb_test.list", "rgbtest.list", "flow_test.list", "audio_test.list", "test.list", "xd_CLIP_rgbtest.csv")
ANNOTATIONS = ("annotations.txt", "XD_Annotation.txt")
CLASSES = {
    "A": NORMAL,
    "B1": "Fighting",
    "B2": "Shooting",
    "B4": "Riot",
    "B5": "Abuse",
    "B6": "CarAccident",
    "G": "Explosion",
}
FILLER = "0"

NAME = re.compile(
    r"(?:.*[/\\])?(?P<name>[^/\\]+_label_(?P<tags>[A-Z0-9]+(?:-[A-Z0-9]+)*))(?:__\d+|__vggish)?(?:\.mp4|\.npy)*(?:,.*)?"
)


def read_xd_violence(path: str | Path) -> WeakSet:
    """Read the lists and annotations in a folder, in the layout that the docstring of this module describes.

    Raises:
        InputError: there is no list, a list cannot be read, or an anomalous test video has no annotation.
    """
    root = check_folder(path)
    train_list, test_list, annotation = find(root, TRAIN), find(root, TEST), find(root, ANNOTATIONS)
    if not train_list and not test_list:
        raise InputError(f"{root}: no list of XD-Violence; looked for {', '.join((*TRAIN, *TEST))}")
    train = read_list(train_list, _listed) if train_list else {}
    test = read_list(test_list, _listed) if test_list else {}
    notes: list[str] = []
    if annotation:
        events, notes = _read_annotation(annotation)
        test = {name: _with_events(video, events, annotation) for name, video in test.items()}
        if test and (strangers := len(events.keys() - test.keys())):
            notes.append(f"{strangers} annotated videos are not in {test_list}; they do not count")
    elif test:
        notes.append(f"{root}: no annotation of the test videos, so only their labels are known")
    lengths, differences = compare_arrays(root, test.values())
    tested = [replace(video, frames=lengths.get(video.name)) for video in test.values()]
    notes += [*differences, *PUBLISHED.compare_videos(train.values(), tested)]
    return WeakSet("XD-Violence", tuple(train.values()), tuple(tested), tuple(notes), PUBLISHED)


def _listed(text: str, where: str) -> WeakVideo:
    """Read a line of a list: a path that ends with the name of a video, with or without a crop number and a suffix."""
    found = NAME.fullmatch(text)
    if not found:
        raise InputError(
            f"{where}: {text!r} does not hold the name of a video of XD-Violence, which ends like _label_B1-0-0"
        )
    tags = [tag for tag in found["tags"].split("-") if tag != FILLER]
    unknown = [tag for tag in tags if tag not in CLASSES]
    if unknown or not tags or ("A" in tags and len(tags) > 1):
        raise InputError(f"{where}: {found['tags']!r} are not classes of XD-Violence ({', '.join(CLASSES)})")
    category = "+".join(CLASSES[tag] for tag in tags)
    return WeakVideo(found["name"], int(category != NORMAL), category)


def _read_annotation(file: Path) -> tuple[dict[str, tuple[Interval, ...]], list[str]]:
    """The anomalous stretches of every annotated video, from all its lines, and notes."""
    videos = []
    for where, text in read_lines(file):
        name, *words = text.split()
        if not words:
            raise InputError(f"{where}: no frame numbers")
        listed, events = _listed(name, where), pairs(whole_numbers(words, where), where)
        videos.append((where, replace(listed, label=int(bool(events)), intervals=events)))
    merged, notes = merge_events(videos)
    return {name: video.intervals or () for name, video in merged.items()}, notes


def _with_events(video: WeakVideo, events: dict[str, tuple[Interval, ...]], file: Path) -> WeakVideo:
    if video.label and video.name not in events:
        raise InputError(f"{file}: {video.name} is an anomalous test video and is not annotated")
    return replace(video, intervals=events.get(video.name, ()))
