"""UCF-Crime: Sultani, Chen, Shah, Real-world Anomaly Detection in Surveillance Videos, CVPR 2018.

    Anomaly_Train.txt       Abuse/Abuse001_x264.mp4; or Train_Annotation.txt, the same with the number of frames; or
                            VadCLIP's ucf_CLIP_rgb.csv
    Anomaly_Test.txt        the same for the test videos; or ucf_CLIP_rgbtest.csv; not needed beside an annotation
    one of                  (frame numbers of the original video; -1 -1 where there is no event; the events of all
                            lines of a video count)
      Temporal_Anomaly_Annotation.txt        Abuse028_x264.mp4  Abuse  165  240  -1  -1
      Temporal_Anomaly_Annotation_New.txt    the same, and the number of frames at the end
      UCF_Annotation.txt, Test_Annotation.txt    Abuse/Abuse028_x264.mp4 1412 Abuse 165 240 -1 -1
      Matlab_formate/*.mat                   a struct of VideoName, Anno (events x 2) and EventName for each video
    gt/ or single_gt/       optional: NAME.npy, one 0 or 1 per frame

Each of them may lie up to two folders below PATH. The lists define the set: 1610 training and 290 test videos, whether
or not features exist for all of them. The annotation does not say how its frame numbers s and e count; see
`oddframe.datasets.weak.labels`. The arrays in gt/ only confirm the annotation (faulty arrays circulate) and give the
number of frames.
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
    stored_pairs,
    whole_numbers,
)
from oddframe.datasets.weak import NORMAL, Published, WeakSet, WeakVideo
from oddframe.errors import InputError
from oddframe.reading.arrays import load_mat, numeric
from oddframe.reading.guard import reading

PUBLISHED = Published(
    train=(810, 800),
    test=(140, 150),
    frames=1_109_680,
    positives=84_128,
    made="rule exclusive, 16 frames for every snippet of DeepMIL's features",
)
TRAIN = ("Anomaly_Train.txt", "Train_Annotation.txt", "ucf_CLIP_rgb.csv")
TEST = ("Anomaly_Test.txt", "ucf_CLIP_rgbtest.csv")
ANNOTATIONS = (  # files that also give the number of frames come first
    "UCF_Annotation.txt",
    "Test_Annotation.txt",
    "Temporal_Anomaly_Annotation_New.txt",
    "Temporal_Anomaly_Annotation.txt",
)
MATLAB = "Matlab_formate"

# The end of a path or name in a list: the name of a video, or of the features of one of its crops.
NAME = re.compile(r"(?:.*[/\\])?(?P<name>[^/\\\s]+_x264)(?:_i3d)?(?:__\d+)?(?:\.\w+)*")


def read_ucf_crime(path: str | Path) -> WeakSet:
    """Read the lists and annotations in a folder, in the layout that the docstring of this module describes.

    Raises:
        InputError: there is none of them, one cannot be read, or they contradict each other.
    """
    root = check_folder(path)
    train_list, test_list = find(root, TRAIN), find(root, TEST)
    annotation, notes = _read_annotation(root)
    train = read_list(train_list, _listed) if train_list else {}
    test = read_list(test_list, _listed) if test_list else annotation
    if not train and not test:
        raise InputError(f"{root}: no list of UCF-Crime; looked for {', '.join((*TRAIN, *TEST, *ANNOTATIONS, MATLAB))}")
    if annotation:
        without = [name for name in test if name not in annotation]
        if without:
            raise InputError(
                f"{test_list}: {without[0]} (and {len(without) - 1} more) is not in the annotation of {root}"
            )
        if len(annotation) > len(test):
            notes.append(f"{len(annotation) - len(test)} annotated videos are not in {test_list}; they do not count")
        test = {name: annotation[name] for name in test}
    elif test:
        notes.append(f"{root}: no annotation of the test videos, so only their labels are known")
    lengths, differences = compare_arrays(root, test.values())
    tested = [replace(v, frames=v.frames if v.frames is not None else lengths.get(v.name)) for v in test.values()]
    notes += [*differences, *PUBLISHED.compare_videos(train.values(), tested)]
    return WeakSet("UCF-Crime", tuple(train.values()), tuple(tested), tuple(notes), PUBLISHED)


def _read_annotation(root: Path) -> tuple[dict[str, WeakVideo], list[str]]:
    """The annotated test videos by name, with all their events, and notes; empty if there is no annotation."""
    file = find(root, ANNOTATIONS)
    if file:
        return merge_events((where, _annotated(text, where)) for where, text in read_lines(file))
    folder = find(root, [MATLAB])
    return merge_events((str(file), _matlab(file)) for file in sorted(folder.glob("*.mat"))) if folder else ({}, [])


def _name(text: str, where: str) -> str:
    found = NAME.fullmatch(text)
    if not found:
        raise InputError(f"{where}: {text!r} is not the name of a video of UCF-Crime (CLASS000_x264)")
    return found["name"]


def _category(name: str) -> str:
    """The class, with which every name begins. Normal videos are named Normal_Videos_003 or Normal_Videos003."""
    return re.split(r"[\d_]", name)[0]


def _listed(text: str, where: str) -> WeakVideo:
    """Read a line of a list: the path, in some lists followed by a class or the number of frames."""
    path, *rest = re.split(r"[\s,]+", text)
    name = _name(path, where)
    frames = int(rest[0]) if rest and rest[0].isdecimal() else None
    return WeakVideo(name, int(_category(name) != NORMAL), _category(name), frames=frames)


def _annotated(text: str, where: str) -> WeakVideo:
    """Read a line of an annotation: path, class and numbers, in some files also the number of frames."""
    path, *words = text.split()
    before = [words.pop(0)] if words and words[0].isdecimal() else []
    if not words:
        raise InputError(f"{where}: the class and the frame numbers are missing")
    category, numbers = words[0], whole_numbers([*before, *words[1:]], where)
    frames = None
    if len(numbers) % 2:
        frames = numbers.pop(0) if before else numbers.pop()
    return _video(_name(path, where), category, numbers, frames, where)


def _matlab(file: Path) -> WeakVideo:
    what = "not an annotation with VideoName, Anno and EventName"
    found = load_mat(file, "Annotation_file", what, simplify=True)
    with reading(file, what):
        name, category = str(found["VideoName"]), str(found["EventName"]).strip()
        events = stored_pairs(numeric(found["Anno"]), 1, "Anno")
    return _video(_name(name, str(file)), category, [frame for event in events for frame in event], None, str(file))


def _video(name: str, category: str, numbers: list[int], frames: int | None, where: str) -> WeakVideo:
    events = pairs(numbers, where)
    if category != _category(name):
        raise InputError(f"{where}: {name} is annotated as {category}")
    if (category == NORMAL) == bool(events):
        raise InputError(f"{where}: {len(events)} events in {name}, a video of class {category}")
    return WeakVideo(name, int(category != NORMAL), category, events, frames)
