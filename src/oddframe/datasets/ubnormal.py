"""UBnormal: Acsintoae et al., UBnormal: New Benchmark for Supervised Open-Set Video Anomaly Detection, CVPR 2022.

    Scene1/normal_scene_1_scenario_1.mp4, Scene1/abnormal_scene_1_scenario_1.mp4 ...    or folders of frames,
                                                                                   at any depth
    Scene1/abnormal_scene_1_scenario_1_annotations/
        abnormal_scene_1_scenario_1_tracks.txt      rows: object id, first frame, frame after the last
        abnormal_scene_1_scenario_1_0032_gt.png     object ids of one frame
    normal_test_video_names.txt, abnormal_test_video_names.txt    which videos are for testing

Frames are counted from 0. A frame is anomalous if it lies inside a track. Without tracks, a frame is anomalous if its
annotation shows an object. Videos with "normal" names have no annotation.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from oddframe.datasets.label_files import check_folder, find, read_lines
from oddframe.datasets.labelled import Counts, LabelledSet, LabelledVideo, labels_from_intervals, video_length
from oddframe.datasets.masks import anomalous_frames, read_tracks
from oddframe.errors import InputError
from oddframe.types import Interval
from oddframe.video.search import find_videos
from oddframe.video.sources import VideoSource, frame_files

PUBLISHED = Counts(
    videos=211,
    frames=92_640,
    positives=None,
    source="as quoted from the paper's tables, not verified; the number of anomalous test frames is not known",
)
LISTS = ("normal_test_video_names.txt", "abnormal_test_video_names.txt")
NAME = re.compile(r"(?:ab)?normal_scene_\d+_scenario\w*")


def read_ubnormal(path: str | Path) -> LabelledSet:
    """Read the test videos in the layout that the docstring of this module describes.

    Without lists of test videos all videos are read, and a note says so, because training scenes have anomalies too.

    Raises:
        InputError: there are no videos, a listed video is missing, or an abnormal video has no annotation.
    """
    root = check_folder(path)
    sources = {
        PurePosixPath(source.name).name.removesuffix("_frames"): source
        for source in find_videos(root)
        if NAME.fullmatch(PurePosixPath(source.name).name) and not source.path.name.endswith("_annotations")
    }
    if not sources:
        raise InputError(f"{root}: no videos of UBnormal; looked for abnormal_scene_1_scenario_1.mp4 and the like")
    lists = [file for name in LISTS if (file := find(root, [name]))]
    notes = []
    if lists:
        names = [PurePosixPath(text).name.removesuffix(".mp4") for file in lists for _, text in read_lines(file)]
        missing = [name for name in names if name not in sources]
        if missing:
            raise InputError(
                f"{root}: {missing[0]} is a test video and is missing ({len(missing)} of {len(names)} are)"
            )
    else:
        names = list(sources)
        notes.append(f"{root}: none of {', '.join(LISTS)}, so all {len(names)} videos were taken for test videos")
    videos = []
    for name in names:
        video, note = _read_video(name, sources[name])
        videos.append(video)
        notes += note
    return LabelledSet("UBnormal", tuple(videos), tuple(notes), PUBLISHED)


def _read_video(name: str, source: VideoSource) -> tuple[LabelledVideo, list[str]]:
    length, source = video_length(source), VideoSource(name, source.path, source.kind)
    if name.startswith("normal"):
        return LabelledVideo(source, np.zeros(length, np.int8)), []
    folder, masks = _annotations(name, source.path)
    table = folder / f"{name}_tracks.txt"
    note: list[str] = []
    labels: NDArray[np.int8]
    if table.is_file():
        tracks = read_tracks(table)
        labels = labels_from_intervals([Interval(start, end) for _, start, end in tracks if start < end], length)
        beyond = max((end for _, _, end in tracks), default=0)
        if beyond > length:
            note.append(f"{table}: tracks reach to frame {beyond - 1} (from 0), but {name} has {length} frames")
    else:
        labels = anomalous_frames(folder, length)
        note.append(f"{folder}: no tracks, so frames whose annotation shows an object count as anomalous")
    if not labels.any():
        note.append(f"{folder}: no anomalous frame in {name}, a video called abnormal")
    return LabelledVideo(source, labels, masks), note


def _annotations(name: str, video: Path) -> tuple[Path, Path | None]:
    """The folder with the annotation of an abnormal video, and the folder with its masks.

    The annotation folder has the name of the video and lies beside it. If there are only tracks, they may also lie
    directly beside the video.
    """
    folder = video.with_name(f"{name}_annotations")
    if folder.is_dir() and any(file.stem.endswith("_gt") for file in frame_files(folder)):
        return folder, folder
    for place in (folder, video.parent):
        if (place / f"{name}_tracks.txt").is_file():
            return place, None
    raise InputError(f"{video}: no annotation; looked for {folder.name}/ beside it, with {name}_tracks.txt")
