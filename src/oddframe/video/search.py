"""The search for videos in files, folders, frame folders and lists.

Nothing that looks like a video is dropped in silence. What looks like one and cannot be opened is found with its fault,
and skipped and named like any other video that cannot be read. Everything else that could be meant is left out, and
named in `Search.left_out`: hidden files, the folders in which network drives keep previews and deleted files, images
beside videos, files of unknown kinds that FFmpeg does not open.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from glob import glob, has_magic
from pathlib import Path

from oddframe.account import count_of
from oddframe.errors import InputError, VideoError
from oddframe.reading.guard import reading, special_kind
from oddframe.reading.tables import read_table
from oddframe.spelling import is_text, visible
from oddframe.video.animations import animation_fault, animations, is_animation
from oddframe.video.decode import probe
from oddframe.video.opening import DASH, opens_as_video
from oddframe.video.order import natural_key
from oddframe.video.rate import same_rate
from oddframe.video.sources import FRAME_SUFFIXES, STACK_SUFFIXES, VIDEO_SUFFIXES, VideoSource, is_image
from oddframe.video.stacks import is_stack
from oddframe.video.urls import is_url, some_of, url_files

Videos = str | Path | VideoSource | Sequence["str | Path | VideoSource"]
"""Videos as arguments: a path, a pattern such as "videos/*.mp4", an `ArrayVideo`, or a list of these."""

SIDECARS = (
    "@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "lost+found", "__macosx",
    "$recycle.bin", "system volume information", "recycler", "thumbs", "thumbnails", "_gsdata_",
)  # fmt: skip
"""Folders that network drives, systems and recorders keep beside videos, in lower case."""

UNFINISHED = (".part", ".partial", ".crdownload", ".filepart", ".download", ".tmp")
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
PLAYLISTS = (".m3u8", ".m3u", ".mpd", ".pls", ".ffconcat", ".sdp")
OTHER = (
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log", ".md",
    ".rst", ".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".srt", ".vtt", ".ass", ".sub", ".idx", ".nfo",
    ".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt", ".pth", ".ckpt", ".onnx", ".safetensors", ".parquet",
    ".py", ".m", ".js", ".sh", ".bat", ".exe", ".dll", ".so", ".c", ".h", ".cpp", ".wav", ".mp3", ".aac", ".flac",
    ".m4a", ".wma", ".opus", ".db", ".sqlite", ".lnk", ".url", ".md5", ".sha1", ".sha256", ".sfv", ".torrent",
    ".ds_store", ".thm", ".svg", ".ico", ".psd", ".heic", ".lock",
)  # fmt: skip
"""Suffixes of files that are something else; they are not opened and not named."""


OVERLAYS, SCORES = "overlays", "scores/origin.json"
"""What `oddframe score` leaves in its folder: overlay videos, and the record of its scores beside them."""
DRAWN = "overlay videos that `oddframe score` has drawn"
NO_TEXT = "its name cannot be written as text; rename it"


@dataclass(frozen=True)
class LeftOut:
    """Something that a search has found and not taken, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class Search:
    """What a search has found.

    Attributes:
        sources: the videos, in order, each once; also those with a fault (see `VideoSource`).
        left_out: what was not taken.
    """

    sources: list[VideoSource] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def notes(self, most: int = 10) -> list[str]:
        """What was left out, a line each; one line for all beyond `most`."""
        lines = [f"left out {entry}" for entry in self.left_out[:most]]
        rest = len(self.left_out) - most
        return [*lines, f"left out {rest} more; `oddframe data check` names all"] if rest > 0 else lines


def find_videos(videos: Videos) -> list[VideoSource]:
    """The videos that a path, a pattern or a list of them names; see `search_videos`."""
    return search_videos(videos).sources


def search_videos(videos: Videos) -> Search:
    """The videos that a path, a pattern such as "videos/*.mp4", or a list of them names, each once.

    Args:
        videos: of a path: a video file; a folder, searched recursively for video files and frame folders; a frame
            folder; or a CSV whose column `video` (or `path`) names any of these, relative to the CSV. A folder with
            images and without video files is a frame folder; frame folders below it are not searched for. A lone image
            beside subfolders with videos is taken for a preview and left out, and so are images beside video files. A
            TIFF of several pages is a video of its pages.

    Returns:
        The videos of a folder in natural order. Sources are named by their stem or, in nested folders, by their POSIX
        path below the given one without suffix; where two would share a name they keep their suffixes.

    Raises:
        InputError: something does not exist or holds no video, or two videos have the same name.
    """
    given = [videos] if isinstance(videos, str | Path | VideoSource) else videos
    found: dict[str, VideoSource] = {}
    search = Search()
    for source in (source for entry in given for source in _sources_of(entry, search)):
        other = found.setdefault(source.name, source)
        if other != source and "array" in (other.kind, source.kind):
            raise InputError(f"two videos are called {source.name}; give each `ArrayVideo` a name of its own")
        if os.path.realpath(other.path) != os.path.realpath(source.path):
            raise InputError(
                f"{other.path} and {source.path} would both be called {source.name}; give the folder that holds both"
            )
    if not found:
        raise InputError("the list of videos is empty; give at least one video")
    search.sources = list(found.values())
    return search


def _sources_of(video: object, search: Search) -> list[VideoSource]:
    if isinstance(video, VideoSource):
        return [video]
    if not isinstance(video, str | Path):
        raise InputError(
            f"a video cannot be given as a {type(video).__name__}; give a path, a pattern, a list of them, or an "
            "`oddframe.ArrayVideo` of frames"
        )
    if is_url(video):
        return _behind(str(video))
    path = Path(video)
    if not path.exists() and has_magic(str(video)):
        paths = sorted(glob(str(video), recursive=True), key=natural_key)
        if not paths:
            raise InputError(f"{video}: no file or folder fits this pattern")
        drawn = {path for path in paths if any(map(_is_drawn, Path(path).parents))}
        search.left_out += [LeftOut(Path(path), DRAWN) for path in sorted(drawn)]
        paths = [path for path in paths if path not in drawn]
        return _named([source for match in paths for source in _found(Path(match), search)])
    if path.is_file() and path.suffix.lower() == ".csv":
        return _named(_listed(path, search))
    return _named(_found(path, search), path if path.is_dir() else path.parent)


def _behind(url: str) -> list[VideoSource]:
    """The videos behind a URL: a file, or all files below it that are named like videos."""
    found = sorted(url_files(url, VIDEO_SUFFIXES), key=lambda named: natural_key(named[0]))
    stems = Counter(os.path.splitext(name)[0] for name, _ in found)
    return [
        VideoSource(stem if stems[stem] == 1 else name, Path(where), "file", url=where)
        for name, where in found
        for stem in [os.path.splitext(name)[0]]
    ]


def _found(path: Path, search: Search) -> list[VideoSource]:
    """The sources of one path, still without names."""
    if not path.exists():
        raise InputError(f"{path}: {_gone(path) if path.is_symlink() else 'no such file or folder'}")
    if not is_text(str(path)):
        raise InputError(f"{path}: {NO_TEXT}")
    if not path.is_dir():
        if special_kind(path):
            raise InputError(f"{path}: {special_kind(path)}")
        if is_image(path) and is_animation(path):
            if animation_fault(path):
                raise InputError(f"{path}: {animation_fault(path)}")
        elif is_image(path) and not is_stack(path):
            raise InputError(f"{path}: a single image is not a video; give the folder that holds the frames")
        return [VideoSource("", path, "file")]
    before = len(search.left_out)
    above = {str(folder) for folder in Path(os.path.realpath(path)).parents}
    found = list(_walk(path, above, search.left_out))
    if len(found) == 1 and found[0].path == path and found[0].fault:
        raise InputError(f"{path}: {found[0].fault}")
    if not found:
        left = search.left_out[before:]
        raise InputError(
            f"{path}: no video found" + (f"; left out {left[0]}" if left else "") + "; looked for "
            f"{some_of(VIDEO_SUFFIXES)} files, and for folders of {some_of(FRAME_SUFFIXES)} frames"
        )
    return found


def _walk(folder: Path, visited: set[str], left_out: list[LeftOut]) -> Iterator[VideoSource]:
    """Videos and frame folders at and below `folder`. `visited` stops it at cycles of links."""
    real = os.path.realpath(folder)
    if real in visited:
        if Path(real) in Path(os.path.realpath(folder.parent), "here").parents:
            yield VideoSource("", folder, "frames", fault=f"{_led(folder)}, a folder above it; remove the link")
        else:
            left_out.append(LeftOut(folder, f"{_led(folder)}, which is searched already"))
        return
    visited.add(real)
    try:
        entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        yield VideoSource("", folder, "frames", fault=f"the folder cannot be looked into ({error.strerror})")
        return
    if not entries:
        left_out.append(LeftOut(folder, "the folder is empty; fill it, or remove it"))
    entries = _in_sight(folder, entries, left_out)
    images = [entry for entry in entries if is_image(entry)]
    stacks = {image for image in images if image.suffix.lower() in STACK_SUFFIXES and is_stack(image)}
    pages = [image for image in images if image.suffix.lower() in STACK_SUFFIXES and image not in stacks]
    if stacks and pages:
        what = f"holds {count_of(len(stacks), 'TIFF')} of several pages beside {len(pages)} of one page"
        yield VideoSource("", folder, "frames", fault=f"{what}; give stacks and frames folders of their own")
        return
    moving = animations(images)
    pictures = dict.fromkeys(image for image in images if image not in stacks and image not in moving)
    videos = (
        stacks | moving | {entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()}
    )
    frames = len(pictures) > 1 and not videos
    if frames:
        yield VideoSource("", folder, "frames")
    below = False
    for entry in entries:
        if entry in pictures:
            continue
        if not is_text(entry.name):
            below = True
            yield VideoSource("", Path(visible(str(entry))), "file", fault=NO_TEXT)
        elif entry in videos:
            yield VideoSource("", entry, "file", fault=animation_fault(entry) if entry in moving else "")
        elif entry.is_dir():
            for source in _walk(entry, visited, left_out):
                if frames and source.kind == "frames":  # masks, flow or smaller copies of the frames
                    left_out.append(LeftOut(source.path, source.fault or "images below a folder of frames"))
                    continue
                below = True
                yield source
        else:
            doubtful = _doubtful(entry, left_out)
            if doubtful is not None:
                below = True
                yield doubtful
    if pictures and not frames:
        if videos or below:
            first = next(iter(pictures)).name
            left_out.append(LeftOut(folder, f"{count_of(len(pictures), 'image')} beside videos, first {first}"))
        else:
            yield VideoSource("", folder, "frames")


def _in_sight(folder: Path, entries: Sequence[Path], left_out: list[LeftOut]) -> list[Path]:
    """The entries that are neither hidden nor the business of a system; hidden videos and images are named."""
    seen, hidden = [], []
    for entry in entries:
        if entry.name.startswith("."):
            if entry.suffix.lower() in (*VIDEO_SUFFIXES, *FRAME_SUFFIXES) or (entry.is_dir() and _holds_videos(entry)):
                hidden.append(entry)
        elif entry.name.lower() in SIDECARS and entry.is_dir():
            left_out.append(LeftOut(entry, "a folder that systems and network drives keep for themselves"))
        elif _is_drawn(entry):
            left_out.append(LeftOut(entry, DRAWN))
        else:
            seen.append(entry)
    if hidden:
        left_out.append(LeftOut(folder, f"{count_of(len(hidden), 'hidden file')}, first {hidden[0].name}"))
    return seen


def _is_drawn(folder: Path) -> bool:
    """Whether a folder holds the overlay videos of earlier scoring, which are not the videos of a camera."""
    return folder.name == OVERLAYS and (folder.parent / SCORES).is_file()


def _holds_videos(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in (*VIDEO_SUFFIXES, *FRAME_SUFFIXES) for path in folder.iterdir())
    except OSError:
        return False


def _doubtful(entry: Path, left_out: list[LeftOut]) -> VideoSource | None:
    """The source of a path that is neither a folder nor an image nor a file with the suffix of videos, or None."""
    suffix = entry.suffix.lower()
    if suffix in OTHER:
        return None
    if not entry.exists():
        return VideoSource("", entry, "file", fault=_gone(entry))
    if special_kind(entry) and suffix in VIDEO_SUFFIXES:
        return VideoSource("", entry, "file", fault=special_kind(entry))
    if special_kind(entry):
        left_out.append(LeftOut(entry, special_kind(entry)))
        return None
    if suffix in UNFINISHED and Path(entry.stem).suffix.lower() in VIDEO_SUFFIXES:
        return VideoSource("", entry, "file", fault="an unfinished copy; finish it, or remove it")
    if suffix == ".mpd":
        left_out.append(LeftOut(entry, DASH))
    elif suffix in PLAYLISTS:
        left_out.append(LeftOut(entry, "a play list of other files; give it alone with --play-lists to read them"))
    elif suffix in ARCHIVES:
        left_out.append(LeftOut(entry, "an archive; unpack it if it holds videos"))
    elif opens_as_video(entry):
        return VideoSource("", entry, "file")
    elif suffix:
        left_out.append(LeftOut(entry, "not a video that FFmpeg can open"))
    return None


def _gone(path: Path) -> str:
    """What is wrong with a link whose target is not there."""
    if not path.is_symlink():
        return "no such file"
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return f"{_led(path)}, which leads back to this link; remove it"
    return f"{_led(path)}, which is not there; mount that place, or remove the link"


def _led(path: Path) -> str:
    """Where a link leads, in words."""
    return f"a link to {os.readlink(path)}" if path.is_symlink() else f"leads to {os.path.realpath(path)}"


def _listed(table: Path, search: Search) -> list[VideoSource]:
    """The sources that a CSV lists, in its order."""
    listed = read_table(table)
    listed.require(("video",), ("path",))
    column = "video" if "video" in listed.columns else "path"
    others = [name for name in listed.columns if name not in (column, "fps")]
    if others:
        what = f"columns {', '.join(others)} are" if len(others) > 1 else f"column {others[0]} is"
        search.left_out.append(LeftOut(table, f"its {what} not looked at; every video that it lists counts, and whole"))
    sources: dict[Path, VideoSource] = {}
    for row in listed.rows:
        entry, rate = row[column], row["fps"] if "fps" in listed.columns else ""
        with reading(row.where, "no such video", "correct the path"):
            path = _existing(table.parent, entry) if entry else None
        if path is None:
            raise InputError(f"{row.where}: no such video: {entry or '(empty)'}")
        for source in _found(path, search):
            if source.path in sources:
                raise InputError(f"{row.where}: {entry} is listed twice")
            sources[source.path] = replace(source, fps=_rate(rate, row.where, source)) if rate else source
    if not sources:
        raise InputError(f"{table}: lists no video")
    return list(sources.values())


def _existing(folder: Path, entry: str) -> Path | None:
    """The path that a cell of a CSV in `folder` means: also with back slashes, in NFD, or without the suffix."""
    for text in (entry, entry.replace("\\", "/")):
        for path in (folder / unicodedata.normalize(form, text) for form in ("NFC", "NFD")):
            if path.exists():
                return path
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            found = [other for other in beside if other.stem == path.name and other.suffix.lower() in VIDEO_SUFFIXES]
            if len(found) == 1:
                return found[0]
    return None


def _rate(cell: str, where: str, source: VideoSource) -> float | None:
    """The frame rate in a cell of the column `fps`; None for a video whose container says that rate, too.

    Raises:
        InputError: it is no number above 0, or the video has time stamps of its own that say another rate.
    """
    try:
        rate = float(cell)
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise InputError(f"{where}: fps is {cell!r}; write the frames per second, a number above 0")
    if source.timeless:
        return rate
    with contextlib.suppress(VideoError):  # what cannot be opened is skipped and named later
        own = probe(source).fps
        if own is not None and not same_rate(own, rate):
            raise InputError(
                f"{where}: fps is {rate:g}, but {source.path} has time stamps of its own, which say {own:.4g}, and "
                "plays as they say; leave the cell empty, or write the video again at its true rate"
            )
    return None


def _named(sources: Sequence[VideoSource], root: Path | None = None) -> list[VideoSource]:
    """The same sources with names relative to `root`, by default the folder that all of them share."""
    absolute = [Path(os.path.abspath(source.path)) for source in sources]
    base = Path(os.path.abspath(root) if root else os.path.commonpath([path.parent for path in absolute]))
    full = [path.relative_to(base).as_posix() if path != base else path.name for path in absolute]
    short = [
        name.removesuffix(source.path.suffix) if source.kind == "file" else name
        for name, source in zip(full, sources, strict=True)
    ]
    count = Counter(short)
    names = [brief if count[brief] == 1 else whole for brief, whole in zip(short, full, strict=True)]
    return [replace(source, name=name) for name, source in zip(names, sources, strict=True)]
