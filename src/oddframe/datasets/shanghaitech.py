"""ShanghaiTech Campus, the test set with frame labels: Luo, Liu, Gao, Sparse Coding in Stacked RNN, ICCV 2017.

    testing/frames/01_0014/000.jpg ...    as released: folders of frames; or see `oddframe.datasets.repackaged`
    testing/test_frame_mask/01_0014.npy   one 0/1 per frame; or frame_masks/01_0014.npy
    testing/test_pixel_mask/01_0014.npy   (N, H, W) masks
    frame_labels_shanghai.npy             instead of test_frame_mask: one 0/1 per frame of all videos

Each of them may lie up to two folders below PATH. Arrays of labels have one dimension here and two in the same
re-packaging of other sets; both are accepted. Frames are counted from 0, and the first image, 000.jpg, is frame 0.
`oddframe.datasets.shanghaitech_weak` reads the weakly supervised split of the same videos.
"""

from __future__ import annotations

from pathlib import Path

from oddframe.datasets.label_files import check_folder, find
from oddframe.datasets.labelled import Counts, LabelledSet
from oddframe.datasets.repackaged import FRAME_MASKS, find_testing, join, lengths_of, read_joined, read_per_video
from oddframe.errors import InputError

PUBLISHED = Counts(
    videos=107,
    frames=40_791,
    positives=17_326,
    source="counted from the label file of MNAD and MPN; 42,883 and 17,090 are quoted in the literature",
    training=(330, 274_515),
)
JOINED = ("frame_labels_shanghai.npy", "frame_labels_shanghaitech.npy", "labels.npy")


def read_shanghaitech(path: str | Path) -> LabelledSet:
    """Read the test set in the layout that the docstring of this module describes.

    Raises:
        InputError: there are no test videos, or their labels are missing or not one per frame.
    """
    root = check_folder(path)
    sources, notes = find_testing(root)
    lengths = lengths_of(sources)
    folder, file = find(root, FRAME_MASKS), find(root, JOINED)
    if folder is not None:
        labels = read_per_video(folder, lengths)
    elif file is not None:
        labels, more = read_joined(file, lengths)
        notes += more
    else:
        raise InputError(f"{root}: no labels; looked for {', '.join((*FRAME_MASKS, *JOINED))}")
    return LabelledSet("ShanghaiTech", join(root, sources, labels), tuple(notes), PUBLISHED)
