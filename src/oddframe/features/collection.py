"""Features of several backbones, each from one or more stores, found by the video names of label files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from oddframe.datasets.names import video_name
from oddframe.errors import InputError
from oddframe.features.snippets import FeatureSource, SnippetFeatures
from oddframe.features.store import FeatureStore, open_features


class Collection:
    """Feature sources, grouped by backbone in the order in which the backbones are first named.

    Attributes:
        sources: backbone -> its sources, all of one fingerprint.
    """

    def __init__(self, specs: Iterable[str]) -> None:
        """Open every source. `oddframe.features.store.open_features` explains the form of a spec.

        Raises:
            InputError: a source cannot be opened, or sources of one backbone have different fingerprints.
        """
        self.sources: dict[str, list[FeatureSource]] = {}
        opened: dict[str, str] = {}
        for spec in specs:
            source = open_features(spec)
            first = self.sources.setdefault(source.name, [])
            if first and first[0].fingerprint != source.fingerprint:
                raise InputError(
                    f"{spec}: holds {source.name} features of another kind ({source.fingerprint}) than "
                    f"{opened[source.name]} ({first[0].fingerprint}): other weights, preprocessing or sampling; "
                    "extract both in the same way, or give one of them another name: NAME=PATH"
                )
            opened.setdefault(source.name, spec)
            first.append(source)
        self._places = {name: _places(sources) for name, sources in self.sources.items()}

    @property
    def dims(self) -> dict[str, int]:
        """Backbone -> D, the length of its vectors."""
        return {name: sources[0].dim for name, sources in self.sources.items()}

    @property
    def fingerprints(self) -> dict[str, str]:
        """Backbone -> fingerprint."""
        return {name: sources[0].fingerprint for name, sources in self.sources.items()}

    def missing(self, video: str, backbones: Sequence[str]) -> list[str]:
        """The backbones that have no features of a video."""
        return [name for name in backbones if not self._found(video, name)]

    def load(self, video: str, backbones: Sequence[str]) -> dict[str, SnippetFeatures]:
        """Backbone -> features of a video.

        Raises:
            InputError: a backbone has no features of the video, or they cannot be used.
        """
        loaded = {}
        for name in backbones:
            place = self._found(video, name)
            if place is None:
                raise InputError(f"{video}: there are no {name} features of it")
            source, source_name = place
            loaded[name] = source.load(source_name)
        return loaded

    def content_key(self, video: str, backbones: Sequence[str]) -> str:
        """The content key of the video that the features were extracted from; empty where they do not say."""
        places = [place for name in backbones if (place := self._found(video, name)) is not None]
        keys = (source.key(name) for source, name in places if isinstance(source, FeatureStore))
        return next(filter(None, keys), "")

    def _found(self, video: str, backbone: str) -> tuple[FeatureSource, str] | None:
        places = self._places[backbone]
        return places.get(video_name(video)) or places.get(PurePosixPath(video_name(video)).name)


def _places(sources: Sequence[FeatureSource]) -> Mapping[str, tuple[FeatureSource, str]]:
    """The source of the features of each video, by its name and, if that is unique, by the last part of its name."""
    whole: dict[str, tuple[FeatureSource, str]] = {}
    last: dict[str, list[tuple[FeatureSource, str]]] = {}
    for source in sources:
        for video in source.videos:
            if video_name(video) in whole:
                raise InputError(f"{video}: there are {source.name} features of it in two places; give one of them")
            whole[video_name(video)] = (source, video)
            last.setdefault(PurePosixPath(video_name(video)).name, []).append((source, video))
    return {**{name: places[0] for name, places in last.items() if len(places) == 1}, **whole}
