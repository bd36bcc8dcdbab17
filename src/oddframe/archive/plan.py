"""A plan: what is to be done with an archive, as jobs that know nothing of each other.

PLACE/plan.json says how videos are scored, and what was left out and why. PLACE/jobs.jsonl has a job on each line. A
job is a video, or a part of a long one. Its id is a hash of the content of the video, the detector, the options that
decide on scores and events, and the bounds of the part. PLACE/timelines holds the times of the frames of long videos.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.archive.place import Place
from oddframe.errors import InputError
from oddframe.reading.guard import reading
from oddframe.reading.records import check_types, read_object
from oddframe.runtime.runtime import RuntimeOptions
from oddframe.scoring.part import VideoPart
from oddframe.types import IgnoredPlace
from oddframe.video.sources import VideoSource
from oddframe.video.timeline import VideoTimeline

PLAN, JOBS, VERSION = "plan.json", "jobs.jsonl", 1
SCORES, PARTS, FAILED, TIMELINES = "scores", "parts", "failed", "timelines"


@dataclass(frozen=True)
class Job:
    """A piece of work.

    Attributes:
        id: of content, detector, options, places to ignore, and part.
        video: name of the video.
        source: where it lies: path or URL, kind, a given frame rate, levels.
        key: of its content.
        seconds: of video that it scores.
        bytes: of the file.
        part: of a long video; None for a whole one.
        whole: why a long video is not cut; empty for a part and for a video that is short enough.
    """

    id: str
    video: str
    source: dict[str, Any]
    key: str
    seconds: float
    bytes: int
    part: VideoPart | None = None
    whole: str = ""

    @property
    def output(self) -> str:
        """The file that is there when the job is done."""
        return f"{SCORES}/{self.video}.npz" if self.part is None else f"{PARTS}/{self.id}.npz"

    def video_source(self) -> VideoSource:
        """The video."""
        levels = self.source["levels"]
        return VideoSource(
            self.video, Path(self.source["path"]), self.source["kind"], self.source["fps"], url=self.source["url"],
            levels=None if levels is None else (levels[0], levels[1]), began=self.source.get("began"),
        )  # fmt: skip

    @property
    def words(self) -> str:
        """What it is, for people."""
        return self.video if self.part is None else f"{self.video}, part {self.part.number + 1} of {self.part.of}"


def job_identity(identity: str, ignored: Sequence[IgnoredPlace]) -> str:
    """What jobs are for: a detector with its options, and the places that it leaves out besides those of its bundle.

    A detector that cannot leave a place out has the same scores with it, and other events.
    """
    if not ignored:
        return identity
    places = json.dumps([asdict(place) for place in ignored])
    return f"{identity}-ignoring-{hashlib.sha256(places.encode()).hexdigest()[:8]}"


def job_id(key: str, identity: str, part: VideoPart | None, began: float | str | None) -> str:
    """The id of a job: a hash of the content, of what `job_identity` gives, of the part, and of the start if known."""
    bounds = None if part is None else [part.number, part.of, part.first, part.stop]
    name = json.dumps([key, identity, bounds] + ([] if began is None else [began]))
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def job_of(source: VideoSource, key: str, identity: str, seconds: float, part: VideoPart | None = None) -> Job:
    """The job of a video, or of a part of it, for what `job_identity` gives."""
    where = {
        "path": str(source.path) if source.url else str(source.path.absolute()), "url": source.url,
        "kind": source.kind, "fps": source.fps,
        "levels": source.levels,
    }  # fmt: skip
    if source.began is not None:
        where["began"] = source.began
    own = job_id(key, identity, part, source.began)
    return Job(own, source.name, where, key, seconds, source.size, part)


@dataclass(frozen=True)
class Estimate:
    """What the work will take, from a measured sample.

    Attributes:
        rate: seconds of video that a process scores in a second.
        bytes_per_second: of score files, for a second of video.
        sample_s: seconds of video that were measured.
    """

    rate: float
    bytes_per_second: float
    sample_s: float


@dataclass(frozen=True)
class ArchivePlan:
    """A plan.

    Attributes:
        run: folder of the trained detector.
        identity: of detector, runtime and levels; score files carry it.
        options: runtime, precision, device, batch size.
        ignored: places that the detector leaves out besides those of its bundle.
        dropped: video of the plan that was there before -> why it is not in this one, or is scored again.
        jobs: the longest first.
        skipped: video -> why it has no job.
        copies: video -> the video whose content it has.
        part_s, warm_s: how long videos are cut.
        estimate: None where nothing could be measured.
    """

    run: str
    identity: str
    options: RuntimeOptions
    jobs: tuple[Job, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    part_s: float = 0.0
    warm_s: float | None = None
    estimate: Estimate | None = None
    ignored: tuple[IgnoredPlace, ...] = ()
    dropped: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Of video, each content once."""
        return sum(job.seconds for job in self.jobs)

    @cached_property
    def videos(self) -> dict[str, list[Job]]:
        """Name of a video -> its jobs, parts in order."""
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            found.setdefault(job.video, []).append(job)
        for own in found.values():
            own.sort(key=lambda job: 0 if job.part is None else job.part.number)
        return dict(sorted(found.items()))

    @property
    def whole(self) -> dict[str, str]:
        """Long video that is scored in one job -> why it is not cut."""
        return {job.video: job.whole for job in self.jobs if job.whole}

    def save(self, place: Place, timelines: dict[str, VideoTimeline]) -> None:
        """Write it. `plan.json` comes last, and says that all of it is there."""
        for key, timeline in timelines.items():
            packed = io.BytesIO()
            np.savez_compressed(packed, time=timeline.time, keys=timeline.keys)
            place.write(f"{TIMELINES}/{key}.npz", packed.getvalue())
        place.write(JOBS, "".join(json.dumps(asdict(job)) + "\n" for job in self.jobs).encode())
        about = {
            name: value for name, value in vars(self).items() if name not in ("jobs", "options", "estimate", "videos")
        }
        about |= {"version": VERSION, "options": asdict(self.options), "jobs": jobs_digest(self.jobs)}
        about["estimate"] = None if self.estimate is None else asdict(self.estimate)
        about["ignored"] = [asdict(place) for place in self.ignored]
        place.write(PLAN, (json.dumps(about, indent=2) + "\n").encode())


def jobs_digest(jobs: Sequence[Job]) -> str:
    """What tells two lists of jobs apart."""
    return hashlib.sha256("\n".join(job.id + job.video for job in jobs).encode("utf-8", "surrogateescape")).hexdigest()


def load_plan(place: Place) -> ArchivePlan:
    """What `ArchivePlan.save` wrote.

    Raises:
        InputError: there is none, or it is damaged.
    """
    about_text = place.read(PLAN)
    where = Path(f"{place}/{PLAN}")
    with reading(where, "damaged", "choose another --out, and make the plan once more"):
        about = read_object(about_text.decode())
        if about.pop("version") != VERSION:
            raise InputError(f"{where}: of another version of oddframe; make the plan once more in another folder")
        texts = dict.fromkeys(("run", "identity"), str) | dict.fromkeys(("skipped", "copies"), dict[str, str])
        check_types(about, {**texts, "part_s": float, "warm_s": float | None})
        digest, options = about.pop("jobs"), RuntimeOptions(**about.pop("options"))
        estimate = about.pop("estimate")
        ignored = tuple(
            IgnoredPlace(row["name"], tuple((x, y) for x, y in row["corners"])) for row in about.pop("ignored", ())
        )
        jobs = tuple(_jobs(place.read(JOBS).decode()))
        if jobs_digest(jobs) != digest:
            raise ValueError("its jobs are those of another plan")
        made = None if estimate is None else Estimate(**estimate)
        return ArchivePlan(**about, options=options, jobs=jobs, estimate=made, ignored=ignored)


def _jobs(text: str) -> Iterator[Job]:
    for line in text.splitlines():
        row = read_object(line)
        part = row.pop("part")
        yield Job(**row, part=None if part is None else VideoPart(**part))


def load_timeline(place: Place, key: str) -> VideoTimeline:
    """The times of the frames of a long video.

    Raises:
        InputError: it is not there, or damaged.
    """
    name = f"{TIMELINES}/{key}.npz"
    content = place.read(name)
    with (
        reading(Path(f"{place}/{name}"), "damaged", "make the plan once more in another folder"),
        np.load(io.BytesIO(content)) as stored,
    ):
        return VideoTimeline(stored["time"], stored["keys"])
