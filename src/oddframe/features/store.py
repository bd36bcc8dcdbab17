"""The feature store: a folder with the features of many videos from one extractor.

`STORE/store.json` records the extractor, its weights and the sampling. `STORE/NAME.npz` holds the features of one
video, the times of its frames, and the properties of the video. Files are written atomically, so an interrupted
extraction can continue. A store holds features of one fingerprint only. There are no pickles.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.atomic import replacing, write_text
from oddframe.disk import FULL, whole_archive
from oddframe.errors import InputError, SpaceError
from oddframe.features.catalogue import open_extractor
from oddframe.features.extractor import SNIPPET, Channels, Extractor, ExtractorPrecision, fingerprint
from oddframe.features.layouts import LAYOUTS, open_layout
from oddframe.features.snippets import FeatureSource, SnippetFeatures, SnippetSampling, checked
from oddframe.reading.arrays import in_place, open_archive
from oddframe.reading.guard import reading
from oddframe.reading.records import read_object
from oddframe.suggest import among
from oddframe.types import VideoInfo
from oddframe.video.identity import content_key
from oddframe.video.order import natural_key
from oddframe.video.sources import VideoSource, refuse_name

__all__ = [
    "FeatureSource", "FeatureStore", "Opening", "SnippetFeatures", "create_store", "open_features", "open_store",
]  # fmt: skip

ABOUT = "store.json"
FORMAT, VERSION = "oddframe features", 1
_ONNX = "onnx:"


@dataclass(frozen=True)
class Opening:
    """The arguments of `oddframe.features.catalogue.open_extractor`, to open an extractor again."""

    spec: str
    weights: Path | None = None
    preprocessing: Path | None = None
    name: str | None = None
    precision: ExtractorPrecision = "fp32"
    channels: Channels = "mean"

    def open(self) -> Extractor:
        """Open the extractor on the CPU.

        Raises:
            InputError: see `open_extractor`.
        """
        return open_extractor(
            self.spec,
            weights=self.weights,
            preprocessing=self.preprocessing,
            name=self.name,
            precision=self.precision,
            channels=self.channels,
        )

    @property
    def files(self) -> list[Path]:
        """The files and folders that `open` reads."""
        model = Path(self.spec.removeprefix(_ONNX)) if self.spec.startswith(_ONNX) else None
        return [path for path in (model, self.weights, self.preprocessing) if path is not None]

    def moved(self, place: Callable[[Path], Path]) -> Opening:
        """The same arguments with every path replaced by `place(path)`."""
        spec = self.spec
        if spec.startswith(_ONNX):
            spec = f"{_ONNX}{place(Path(spec.removeprefix(_ONNX)))}"
        weights, preprocessing = (path and place(path) for path in (self.weights, self.preprocessing))
        return replace(self, spec=spec, weights=weights, preprocessing=preprocessing)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Opening:
        """The inverse of `to_dict`."""
        paths = {key: values[key] and Path(values[key]) for key in ("weights", "preprocessing")}
        return cls(**{**values, **paths})


@dataclass(frozen=True)
class _MadeOf:
    """The video that features were extracted from: its content key, empty in old stores, and where it lay then."""

    key: str
    path: Path


class FeatureStore:
    """Features of many videos from one extractor, in a folder. `create_store` and `open_store` make it.

    Attributes:
        path: the folder.
        name: of the backbone.
        dim: D, length of its vectors.
        fingerprint: of extractor, weights, preprocessing and sampling.
        sampling: frames and crops of a snippet that the network saw.
        channels: of its vectors.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], name: str | None = None) -> None:
        self.path = path
        self._about = about
        self.name: str = name or about["identity"]["name"]
        self.dim: int = about["identity"]["dim"]
        self.fingerprint: str = about["fingerprint"]
        self.sampling = SnippetSampling.from_dict(about["sampling"])
        self.channels: Channels = about["identity"].get("channels", "mean")
        self._opening = Opening.from_dict(about["extractor"]).moved(self._found)

    @cached_property
    def videos(self) -> tuple[str, ...]:
        """Names of the videos in the store, in natural order, as they were at the first use of this property."""
        paths = (path.relative_to(self.path) for path in self.path.rglob("*.npz") if not path.name.startswith("."))
        return tuple(sorted((path.as_posix().removesuffix(".npz") for path in paths), key=natural_key))

    @property
    def extractor(self) -> dict[str, Any]:
        """Arguments to open the extractor (those of `Opening`), and `sampling`."""
        return {**self._opening.to_dict(), "sampling": self.sampling.to_dict()}

    def open_extractor(self) -> Extractor:
        """Open the extractor that made this store, on the CPU.

        Raises:
            InputError: a file of the extractor is gone, both by its absolute path and relative to the store; or the
                files now hold another extractor.
        """
        for path in self._opening.files:
            if not path.exists():
                raise InputError(
                    f"{path}: gone, and {self.name} in {self.path} was extracted with it; put it back, or give its new "
                    f"place by running `oddframe features` with --out {self.path} again, which extracts nothing twice"
                )
        extractor = self._opening.open()
        if store_fingerprint(extractor, self.sampling) != self.fingerprint:
            raise InputError(
                f"{self.path}: {self.name} is no longer the extractor that made this store (other weights or "
                "preprocessing in the same place); put the old files back, or extract to another store"
            )
        return extractor

    def _found(self, path: Path) -> Path:
        """The current path of a recorded file: the recorded path, or the same path relative to the store."""
        beside = Path(os.path.normpath(self.path.absolute() / self._about["beside"].get(str(path), path)))
        return beside if beside.exists() and not path.exists() else path

    def load(self, video: str) -> SnippetFeatures:
        """The features of one video, mapped where they lie, so that a store may be larger than memory.

        Raises:
            InputError: there is no such video, or its file is damaged, of another extractor, or holds NaN or infinity.
        """
        path = self._file(video)
        if not path.is_file():
            raise InputError(f"{self.path}: has no features of {video}; run `oddframe features` on it")
        with open_archive(path, "not a feature file of oddframe", "delete it, extract again") as stored:
            meta = read_object(str(stored["meta"]))
            if not whole_archive(path):  # what is mapped is not held against its checksum
                raise ValueError("its checksum does not fit")
            features, time = checked(path, in_place(path, "features.npy"), self.dim), stored["time"].astype(np.float64)
            info = VideoInfo.parse(meta["info"])
            made_by = meta["fingerprint"]
        if made_by != self.fingerprint:
            raise InputError(
                f"{path}: made by another extractor or sampling ({made_by}) than this store ({self.fingerprint}); "
                "delete it and extract again"
            )
        if -(-len(time) // SNIPPET) != len(features):
            raise InputError(f"{path}: {len(features)} snippets for {len(time)} frames; delete it, extract again")
        facts = {name: meta.get(name) for name in ("bytes", "pixel_change")}  # unknown to stores of older versions
        return SnippetFeatures(video, features, len(time), "snippets", time, info, **facts)

    def save(self, features: SnippetFeatures, source: VideoSource) -> None:
        """Save the features of one video atomically. They replace older ones.

        Raises:
            SpaceError: the disk is full.
        """
        if features.info is None or features.time is None or not features.info.key:
            raise ValueError(f"{features.video}: a store keeps what was extracted from a video, with info, key")
        meta = {
            "fingerprint": self.fingerprint,
            "path": os.path.abspath(source.path),
            "info": asdict(features.info),
            "bytes": features.bytes,
            "pixel_change": features.pixel_change,
        }
        path = self._file(features.video)
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, features=features.features, time=features.time, meta=np.array(json.dumps(meta)))
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise SpaceError(f"{path}: the disk is full; features of the videos before are kept") from error

    def holds(self, source: VideoSource) -> bool:
        """Whether the store has the features of a video of this content under this name.

        Features of an equal video under another name are copied to this name first.

        Raises:
            InputError: it has the features of another video with this name.
            VideoError: the video cannot be read.
        """
        refuse_name(self.path, source)
        key, stored = content_key(source), self._made_of(self._file(source.name))
        if stored is not None and stored.key == key and whole_archive(self._file(source.name)):
            return True
        if stored is not None and stored.path.exists() and stored.path != Path(os.path.abspath(source.path)):
            raise InputError(
                f"{self.path} already has a video called {source.name}, from {stored.path}, not from {source.path}; "
                "give the folder that holds both, or use another store"
            )
        twin = self._keys.get(key)
        if twin is None or self.key(twin) != key or not whole_archive(self._file(twin)):
            return False
        features = self.load(twin)
        assert features.info is not None, "of a store"
        info = replace(features.info, name=source.name, path=str(source.path))
        self.save(replace(features, video=source.name, info=info), source)
        return True

    def key(self, video: str) -> str:
        """The content key of the video that the features were extracted from; empty where they carry none."""
        made_of = self._made_of(self._file(video))
        return "" if made_of is None else made_of.key

    def unkeyed(self, sources: Sequence[VideoSource]) -> list[str]:
        """Names of the videos whose features carry no content key: nobody knows what they are features of."""
        names = [source.name for source in sources if self._made_of(self._file(source.name)) is not None]
        return [name for name in names if not self.key(name)]

    @cached_property
    def _keys(self) -> dict[str, str]:
        """Content key -> the video that has it, as they were at the first use of this property."""
        return {key: video for video in self.videos if (key := self.key(video))}

    def _made_of(self, path: Path) -> _MadeOf | None:
        """The video that a file has the features of; None if it is absent, damaged, or of another extractor."""
        try:
            with open_archive(path) as stored:
                meta = read_object(str(stored["meta"]))
            made_of = _MadeOf(meta["info"].get("key", ""), Path(meta["path"]))
        except Exception:  # a damaged file can raise almost anything
            return None
        return made_of if meta.get("fingerprint") == self.fingerprint else None

    def _file(self, video: str) -> Path:
        return self.path / f"{video}.npz"


def store_fingerprint(extractor: Extractor, sampling: SnippetSampling) -> str:
    """Hash of network, weights, preprocessing and sampling. Features with equal fingerprints may be mixed."""
    return fingerprint({**extractor.identity(), "sampling": sampling.to_dict()})


def create_store(path: str | Path, opening: Opening, extractor: Extractor, sampling: SnippetSampling) -> FeatureStore:
    """Create a store, or open an existing one of the same extractor and sampling.

    Args:
        path: the folder of the store.
        opening: the arguments with which `extractor` was opened. An existing store records the new paths of its files.
        extractor: the extractor.
        sampling: frames and crops of a snippet that the extractor sees.

    Raises:
        InputError: `path` is not a store, or it is a store of another fingerprint.
    """
    path = Path(path)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": store_fingerprint(extractor, sampling),
        "identity": extractor.identity(),
        "sampling": sampling.to_dict(),
    }
    if (path / ABOUT).exists():
        stored = _read_about(path)
        if stored["fingerprint"] != about["fingerprint"]:
            raise InputError(
                f"{path}: holds features that were extracted otherwise ({_difference(stored, about)}); "
                "give another folder with --out, since features of one store have to be alike"
            )
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists and is not a store of features; give an empty or a new folder")
    opening = opening.moved(lambda file: Path(os.path.abspath(file)))
    beside = {str(file): os.path.relpath(file, path) for file in opening.files}
    about |= {"extractor": opening.to_dict(), "beside": beside}
    try:
        write_text(path / ABOUT, json.dumps(about, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return open_store(path)


def open_store(path: str | Path, name: str | None = None) -> FeatureStore:
    """Open the store in a folder.

    Args:
        path: the folder.
        name: another name for its backbone. The fingerprint stays the same.

    Raises:
        InputError: there is no store, or it is damaged.
    """
    path = Path(path)
    about = _read_about(path)
    try:
        return FeatureStore(path, about, name)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path / ABOUT}: damaged ({error!r}); extract again to another store") from error


def open_features(spec: str) -> FeatureSource:
    """Open features: "[NAME=]STORE" or "[NAME=]LAYOUT:PATH", where NAME is another name for the backbone.

    Raises:
        InputError: there is no such store, layout or path, or the path holds nothing in that layout.
    """
    name, rest = None, spec
    named = re.fullmatch(r"([\w.-]+)=(.+)", spec)
    if named and not Path(spec).exists():
        name, rest = named.groups()
    layout, colon, place = rest.partition(":")
    if not colon or Path(rest).exists():
        return open_store(rest, name)
    if layout not in LAYOUTS:
        raise InputError(f"{spec}: no store of that name, and no layout {layout!r}{among(layout, LAYOUTS)}")
    return open_layout(layout, Path(place), name)


def _read_about(path: Path) -> dict[str, Any]:
    """Read and check store.json."""
    file = path / ABOUT
    if not path.exists():
        raise InputError(f"{path}: no such store; `oddframe features` makes one")
    if not file.is_file():
        raise InputError(
            f"{path}: not a store of features (it has no {ABOUT}); for a public release give LAYOUT:PATH, with LAYOUT "
            f"one of {', '.join(LAYOUTS)}"
        )
    with reading(file, "damaged", "extract again to another store"):
        about: dict[str, Any] = read_object(file.read_text("utf-8"))
        if (about["format"], about["version"]) != (FORMAT, VERSION):
            raise InputError(f"{file}: {about['format']} of version {about['version']}; this oddframe reads {VERSION}")
        whole = fingerprint({**about["identity"], "sampling": about["sampling"]}) == about["fingerprint"]
    if not whole:
        raise InputError(f"{file}: damaged (the fingerprint does not fit the rest); extract again to another store")
    return about


def _difference(stored: Mapping[str, Any], requested: Mapping[str, Any]) -> str:
    """The difference between two fingerprinted descriptions, for example "crops 1, not 10"."""
    plain = json.loads(json.dumps(requested))
    old, new = ({"channels": "mean", **about["identity"], **about["sampling"]} for about in (stored, plain))
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return "; ".join(f"{key} {old.get(key)}, not {new.get(key)}" for key in keys)
