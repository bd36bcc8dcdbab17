"""CUHK Avenue: Lu, Shi, Jia, Abnormal Event Detection at 150 FPS in Matlab, ICCV 2013.

    testing_videos/01.avi ... 21.avi                   as released; or re-packaged, see `oddframe.datasets.repackaged`
    testing_label_mask/1_label.mat ... 21_label.mat    as released (in ground_truth_demo): `volLabel`, a mask per frame
    avenue.mat                                         `gt`: intervals counted from 1, inclusive
    frame_labels_avenue.npy, Avenue_gt.npy, labels.npy one 0/1 per frame of all clips
    test_frame_mask/01.npy                             one 0/1 per frame of a clip

Each of them may lie up to two folders below PATH. Two ground truths circulate. One has 3867 anomalous frames, in the
files of MNAD, MPN and the benchmark that avenue.mat comes from; the other has 3712, in Avenue_gt.npy. They differ in
441 of 15,324 frames, which changes an AUC by about half a point (0.8099 and 0.8052 for one set of scores). The user
chooses one of them, and the reader counts the anomalous frames of a file instead of trusting its name. The pixel masks
are a third source with its own name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from oddframe.datasets.label_files import check_folder, find
from oddframe.datasets.labelled import Counts, LabelledSet
from oddframe.datasets.masks import anomalous_frames
from oddframe.datasets.repackaged import (
    FRAME_MASKS,
    Labels,
    check_lengths,
    find_testing,
    join,
    lengths_of,
    read_joined,
    read_per_video,
)
from oddframe.errors import InputError

Truth = Literal["3867", "3712", "masks"]

LENGTHS = (
    1439, 1211, 923, 947, 1007, 1283, 605, 36, 1175, 841, 472, 1271, 549, 507, 1001, 740, 426, 294, 248, 273, 76,
)  # fmt: skip
FILES: dict[Truth, tuple[str, ...]] = {
    "3867": ("avenue.mat", "frame_labels_avenue.npy"),
    "3712": ("Avenue_gt.npy",),
}
"""Usual names of the files with each ground truth."""
EITHER = ("labels.npy", *FRAME_MASKS)
"""Files that may hold either ground truth."""
MASKS = "testing_label_mask"


def read_avenue(path: str | Path, truth: Truth) -> LabelledSet:
    """Read the test clips with one of the two ground truths, or with labels made from the pixel masks.

    If the clips have the released lengths, the number of anomalous frames in a file decides which ground truth it
    holds, not its name. For other clips, such as trimmed ones, the name decides, and a note says so.

    Raises:
        InputError: there are no test clips, or no labels of this ground truth. The message says what was found.
    """
    root = check_folder(path)
    sources, notes = find_testing(root)
    lengths = lengths_of(sources)
    whole = tuple(lengths.values()) == LENGTHS
    labels, more = _read_truth(root, truth, lengths, whole)
    source = {
        "3867": "frames and labels as counted from the label file of MNAD and MPN",
        "3712": "frames and labels as counted from the label file of a MemAE re-implementation",
        "masks": "no certain number of anomalous frames is known; 3820 is quoted in the literature",
    }[truth]
    published = Counts(
        21, 15_324, None if truth == "masks" else int(truth), source, LENGTHS, (16, 15_328), truth == "masks"
    )
    name = "Avenue (labels from the pixel masks)" if truth == "masks" else f"Avenue (ground truth of {truth})"
    return LabelledSet(name, join(root, sources, labels), (*notes, *more), published)


def refuse_avenue(path: str | Path) -> LabelledSet:
    """Refuse "avenue:PATH", because the user has to choose a ground truth.

    Raises:
        InputError: always. The message lists the ground truths.
    """
    raise InputError(
        f"{path}: Avenue has two ground truths, 441 frames apart; choose one by name: avenue-3867:PATH, "
        "avenue-3712:PATH, or avenue-masks:PATH for labels made from the pixel masks"
    )


def _read_truth(root: Path, truth: Truth, lengths: dict[str, int], whole: bool) -> tuple[Labels, list[str]]:
    if truth == "masks":
        return _labels_from_masks(root, lengths), []
    expected = (*FILES[truth], *EITHER)
    others = [name for names in FILES.values() for name in names if name not in expected] if whole else []
    files = [file for name in (*expected, *others) if (file := find(root, [name]))]
    counted = []
    for file in files:
        labels, notes = (read_per_video(file, lengths), []) if file.is_dir() else read_joined(file, lengths)
        if not whole:
            doubt = f"clips have not the released lengths, so nothing shows that this is the ground truth of {truth}"
            return labels, [*notes, f"{file}: {doubt}"]
        count = sum(int(values.sum()) for values in labels.values())
        if count == int(truth):
            return labels, notes
        counted.append(f"{file} has {count}")
    findings = "; ".join(counted) or f"looked for {', '.join(expected)}"
    raise InputError(f"{root}: no labels with {truth} anomalous frames: {findings}")


def _labels_from_masks(root: Path, lengths: dict[str, int]) -> Labels:
    folder = find(root, [MASKS])
    if folder is None:
        raise InputError(f"{root}: no folder {MASKS} in it or up to two folders below")
    labels = {}
    for number, name in enumerate(lengths, 1):
        file = folder / f"{int(name) if name.isdecimal() else number}_label.mat"
        if not file.is_file():
            raise InputError(f"{file}: missing; it should hold the masks of clip {name}")
        labels[name] = anomalous_frames(file)
    check_lengths(labels, lengths, folder)
    return labels
