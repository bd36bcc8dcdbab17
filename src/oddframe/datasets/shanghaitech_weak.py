"""ShanghaiTech Campus in the weakly supervised split: Zhong et al., Graph Convolutional Label Noise Cleaner, CVPR 2019.

    SH_Train.txt, SH_Test.txt   one video per line: 01_0014; or 01_0014,1 with its label; or 01_001,0,764 with its label
                                and number of frames; or train.list, test.list: paths of features, one line per crop
                                (.../01_0014_0.npy)
    test_frame_mask/NAME.npy    one 0 or 1 per frame of every anomalous video; or frame_masks/NAME.npy

Each of them may lie up to two folders below PATH. Four digits after the scene mean anomalous, three mean normal. The
masks state exactly which frames are anomalous, so label rules differ only for frames that features have beyond the end
of the video: by default these are normal, and under "rtfm" they take the last label. The number of frames of an
anomalous video is taken from its mask only, because a public list repeats the number of the previous line.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from oddframe.datasets.label_files import check_folder, find, read_array, read_list
from oddframe.datasets.repackaged import FRAME_MASKS
from oddframe.datasets.weak import ANOMALY, NORMAL, Published, WeakSet, WeakVideo
from oddframe.errors import InputError
from oddframe.types import runs

PUBLISHED = Published(
    train=(63, 175),
    test=(44, 155),
    frames=142_912,
    positives=8_028,
    made="rule rtfm, 16 frames for every snippet, the last one filled up",
)
TRAIN = ("SH_Train.txt", "SH_Train_new.txt", "train.list")
TEST = ("SH_Test.txt", "SH_Test_NEW.txt", "test.list")

NAME = re.compile(r"(?:.*[/\\])?(?P<name>\d\d_(?P<id>\d{3,4}))(?:_\d)?(?:_i3d)?(?:\.\w+)?")


def read_shanghaitech_weak(path: str | Path) -> WeakSet:
    """Read the lists and masks in a folder, in the layout that the docstring of this module describes.

    Raises:
        InputError: there is no list, a list cannot be read, or the mask of an anomalous test video is missing.
    """
    root = check_folder(path)
    train_list, test_list, masks = find(root, TRAIN), find(root, TEST), find(root, FRAME_MASKS)
    if not train_list and not test_list:
        raise InputError(f"{root}: no list of ShanghaiTech's weak split; looked for {', '.join((*TRAIN, *TEST))}")
    train = tuple(read_list(train_list, _listed).values()) if train_list else ()
    test = tuple(read_list(test_list, _listed).values()) if test_list else ()
    notes = []
    if masks:
        test = tuple(_masked(video, masks) for video in test)
    elif test:
        notes.append(f"{root}: no {' or '.join(FRAME_MASKS)}, so only the labels of the test videos are known")
    notes += PUBLISHED.compare_videos(train, test)
    return WeakSet("ShanghaiTech (weak)", train, test, tuple(notes), PUBLISHED)


def _listed(text: str, where: str) -> WeakVideo:
    path, *rest = re.split(r"[\s,]+", text)
    found = NAME.fullmatch(path)
    if not found:
        raise InputError(f"{where}: {path!r} is not the name of a video of ShanghaiTech (01_001 or 01_0014)")
    label = int(len(found["id"]) == 4)
    if rest and rest[0] not in ("0", "1", "0.0", "1.0"):
        raise InputError(f"{where}: {rest[0]!r} is not a label (0 or 1)")
    if rest and int(float(rest[0])) != label:
        raise InputError(
            f"{where}: {found['name']} is labelled {rest[0]}, but its number has {len(found['id'])} digits"
        )
    frames = int(rest[1]) if rest[1:] and rest[1].isdecimal() and not label else None
    return WeakVideo(found["name"], label, ANOMALY if label else NORMAL, frames=frames)


def _masked(video: WeakVideo, masks: Path) -> WeakVideo:
    """The video with the intervals and the length of its mask. Normal videos have no mask."""
    file = masks / f"{video.name}.npy"
    if not video.label:
        return video
    if not file.is_file():
        raise InputError(f"{file}: missing; {video.name} is an anomalous test video")
    mask = read_array(file)
    if not mask.any():
        raise InputError(f"{file}: no anomalous frame, but {video.name} is an anomalous video")
    return replace(video, intervals=tuple(runs(mask)), frames=len(mask), exact=True)
