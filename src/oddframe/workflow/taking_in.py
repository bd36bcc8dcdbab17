"""A detector that takes marked-normal windows into its memory, without training.

Which detectors can: `camera` (exemplars of its parts), MNAD (its items are rewritten), MPN where it is meta-trained (a
few steps of its own adaptation). The others keep what they have learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from oddframe.bundle import Bundle
from oddframe.datasets.windows import Chunk, joined
from oddframe.errors import VideoError
from oddframe.models.camera import CameraDetector
from oddframe.models.fitted import FittedDetector
from oddframe.models.ignored import IgnoredPlace
from oddframe.models.registry import create_for
from oddframe.progress import ProgressCall
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.open_scorer import open_runtime
from oddframe.threads import one_blas_thread
from oddframe.video.decode import probe
from oddframe.workflow.lessons import MarkedEvent, open_spans
from oddframe.workflow.stretches import NormalVideo, Stretch, read_chunks

if TYPE_CHECKING:
    from oddframe.models.detector import Batch, Detector

PAD = 1.0  # seconds beside an event that are taken in as well: what comes or goes is already, or still, in the picture
SHOTS = 10  # windows that a meta-trained network adapts to


def memory_of(bundle: Bundle) -> str:
    """What takes windows in, for people; empty where there is nothing."""
    detector = bundle.detector
    if isinstance(detector, FittedDetector):
        return f"the memory of {', '.join(detector.parts)}" if isinstance(detector, CameraDetector) else ""
    one_class = detector.one_class("taking in windows")
    if one_class.takes_in:
        return "its memory items"
    return "its few-shot adaptation" if one_class.adapts else ""


def is_masking(bundle: Bundle) -> bool:
    """Whether the detector itself leaves places out."""
    return isinstance(bundle.detector, CameraDetector)


@one_blas_thread()
def taught_detector(
    bundle: Bundle, lessons: Sequence[MarkedEvent], zones: Sequence[IgnoredPlace], show: ProgressCall | None = None
) -> tuple[Bundle, int]:
    """A copy of a bundle in memory whose detector leaves zones out and has taken in the normal ones of some lessons.

    Returns:
        The copy, with the id and the folder of the bundle, and how many windows it has taken in.
    """
    made = create_for(bundle.recipe.model, bundle.recipe.preset, bundle.recipe.options, bundle.data.frame_size)
    copy = replace(bundle, detector=made)
    normal = [lesson for lesson in lessons if lesson.normal]
    if isinstance(made, FittedDetector):
        assert isinstance(bundle.detector, FittedDetector), "made of the same recipe"
        made.load_state({name: value.copy() for name, value in bundle.detector.state().items()})
        if isinstance(made, CameraDetector):
            known = {place.corners for place in made.places}
            made.ignore((*made.places, *(zone for zone in zones if zone.corners not in known)))
            if normal:
                open_runtime(copy, RuntimeOptions())  # gives it its network
                return copy, _take_in_memory(made, normal, show)
        return copy, 0
    detector = made.one_class("taking in windows")
    detector.load_state_dict(bundle.detector.one_class("taking in windows").state_dict())
    detector.eval()
    return copy, _take_in_network(detector, normal, show) if normal else 0


def _take_in_memory(detector: CameraDetector, lessons: Sequence[MarkedEvent], show: ProgressCall | None) -> int:
    taken = 0
    for chunk in _chunks(detector, lessons, show):
        if chunk.begins:
            detector.begin_video()
        detector.take_in(chunk)
        taken += len(chunk.index)
    detector.finish_taking_in()
    return taken


def _take_in_network(detector: Detector, lessons: Sequence[MarkedEvent], show: ProgressCall | None) -> int:
    if detector.takes_in:
        taken = 0
        for chunk in _chunks(detector, lessons, show):
            detector.take_in(_windows(chunk, range(len(chunk.index))))
            taken += len(chunk.index)
        return taken
    if not detector.adapts:
        return 0
    # A few windows, spread evenly over the lessons: what is adapted to is all held in memory.
    some = [chunk for lesson in lessons for chunk in _spread(_chunks(detector, [lesson], show), SHOTS // len(lessons))]
    if not some:
        return 0
    shots = joined(some[:SHOTS])
    detector.adapt(_windows(shots, range(len(shots.index))))
    return len(shots.index)


def _spread(chunks: Iterator[Chunk], count: int) -> list[Chunk]:
    """Windows of a lesson, each as a chunk of its own: the middle one of each of `count` equal parts, at least one."""
    single = []
    for chunk in chunks:
        for n in range(len(chunk.index)):
            one = slice(n, n + 1)
            places = chunk.inputs[one], chunk.targets[one], chunk.index[one]
            single.append(Chunk(chunk.frames, *places, chunk.time[one]))
    count = min(max(count, 1), len(single))
    return [single[(2 * part + 1) * len(single) // (2 * count)] for part in range(count)]


def _windows(chunk: Chunk, rows: range) -> Batch:
    import torch  # a fitted detector is taught without it

    from oddframe.models.detector import Batch

    frames, chosen = torch.from_numpy(chunk.frames), list(rows)
    inputs, targets, index = (torch.from_numpy(part[chosen]) for part in (chunk.inputs, chunk.targets, chunk.index))
    return Batch(frames[inputs], frames[targets], index)


def _chunks(
    detector: FittedDetector | Detector, lessons: Sequence[MarkedEvent], show: ProgressCall | None
) -> Iterator[Chunk]:
    """The windows of normal lessons, lesson by lesson. What can no longer be read is passed over: scoring tells it."""
    for number, lesson in enumerate(lessons, 1):
        if show is not None:
            show("taking in marked windows", number, len(lessons))
        source = lesson.footage.source
        for start, stop in open_spans(lesson, PAD):
            try:
                video = NormalVideo(source, probe(source), stop)
                yield from read_chunks(Stretch(video, start, stop), detector.window)
            except VideoError:
                break
