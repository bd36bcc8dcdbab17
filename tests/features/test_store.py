"""The store: what goes in comes out, nothing is mixed, and everything wrong with it has its line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddframe.errors import InputError
from oddframe.features.collection import Collection
from oddframe.features.extract import extract
from oddframe.features.extractor import fingerprint
from oddframe.features.snippets import SnippetFeatures, SnippetSampling
from oddframe.features.store import FeatureStore, Opening, create_store, open_features, open_store
from oddframe.video.identity import content_key
from oddframe.video.sources import VideoSource

MakeVideo = Callable[..., VideoSource]


@pytest.fixture
def network(colour_network: Path, tmp_path: Path) -> Path:
    """A copy of the network that a test may spoil."""
    folder = tmp_path / "networks"
    shutil.copytree(colour_network.parent, folder)
    return folder / colour_network.name


def make_store(path: Path, network: Path, **sampling: Any) -> FeatureStore:
    opening = Opening(f"onnx:{network}")
    return create_store(path, opening, opening.open(), SnippetSampling(**sampling))


@pytest.fixture
def filled(tmp_path: Path, network: Path, make_video: MakeVideo) -> tuple[FeatureStore, VideoSource, SnippetFeatures]:
    """A store with one video of 20 frames."""
    store, source = make_store(tmp_path / "store", network), make_video(20)
    features = extract(source, store.open_extractor(), store.sampling)
    store.save(features, source)
    return store, source, features


def test_what_goes_in_comes_out(filled: tuple[FeatureStore, VideoSource, SnippetFeatures]) -> None:
    store, _, features = filled
    again = open_store(store.path)
    assert (again.name, again.dim, again.fingerprint, again.videos) == ("colours", 3, store.fingerprint, ("v",))
    loaded = again.load("v")
    assert np.array_equal(loaded.features, features.features) and loaded.features.dtype == np.float32
    assert features.time is not None and loaded.time is not None and np.array_equal(loaded.time, features.time)
    assert (loaded.info, loaded.frames, loaded.kind) == (features.info, 20, "snippets")
    assert np.allclose(loaded.features[0] * 255, (2 + 6 + 10 + 14) / 4, atol=1e-4)
    assert not list(store.path.rglob("*.part"))
    with np.load(store.path / "v.npz", allow_pickle=False) as stored:
        assert set(stored.files) == {"features", "time", "meta"}


def test_features_are_mapped_and_not_read_into_memory(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures],
) -> None:
    store, source, features = filled
    turned = replace(features, features=np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)))
    store.save(turned, source)
    loaded = store.load("v").features
    assert isinstance(loaded, np.memmap) and np.array_equal(loaded, turned.features)


def test_names_with_folders_in_natural_order(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures],
) -> None:
    store, source, features = filled
    for name in ("street/cam10", "street/cam2"):
        store.save(replace(features, video=name), source)
    assert open_store(store.path).videos == ("street/cam2", "street/cam10", "v")
    assert np.array_equal(store.load("street/cam10").features, features.features)


@pytest.mark.parametrize(
    "sampling, said", [({"crops": 10}, "crops 1, not 10"), ({"frames_per_snippet": 8}, "4, not 8")]
)
def test_another_sampling_is_another_store(tmp_path: Path, network: Path, sampling: dict[str, int], said: str) -> None:
    store = make_store(tmp_path / "store", network)
    assert make_store(tmp_path / "store", network).fingerprint == store.fingerprint
    with pytest.raises(InputError, match=said):
        make_store(tmp_path / "store", network, **sampling)
    assert make_store(tmp_path / "other", network, **sampling).fingerprint != store.fingerprint


def test_another_preprocessing_is_another_store(tmp_path: Path, network: Path) -> None:
    store = make_store(tmp_path / "store", network)
    network.with_suffix(".yaml").write_text("{resize: 20, crop: [16, 16], mean: 0, std: 255}\n")
    with pytest.raises(InputError, match="extracted otherwise \\(preprocessing"):
        make_store(tmp_path / "store", network)
    with pytest.raises(InputError, match="no longer the extractor that made this store"):
        store.open_extractor()


def test_unchanged_videos_are_held(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures], make_video: MakeVideo
) -> None:
    store, source, _ = filled
    assert store.holds(source) and not store.holds(make_video(5, "videos/w"))
    (source.path / "000.png").unlink()
    assert not store.holds(source)


def test_touched_videos_are_held_and_damaged_files_are_not(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures],
) -> None:
    store, source, _ = filled
    os.utime(source.path / "003.png", (1, 2_000_000_000))
    assert store.holds(source), "its content is the same"
    file = store.path / "v.npz"
    file.write_bytes(file.read_bytes()[:100])
    assert not store.holds(source)


def test_one_image_changed_in_place_is_not_held(filled: tuple[FeatureStore, VideoSource, SnippetFeatures]) -> None:
    store, source, _ = filled
    image = source.path / "007.png"
    before, picture = image.stat(), (source.path / "008.png").read_bytes()
    assert picture != image.read_bytes()
    image.write_bytes(picture)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not store.holds(source)


def test_an_equal_video_under_another_name_is_held_there_too(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures],
) -> None:
    store, source, features = filled
    moved = VideoSource("night/w", source.path.rename(source.path.with_name("w")), "frames")
    assert store.holds(moved)
    kept = open_store(store.path).load("night/w")
    assert np.array_equal(kept.features, features.features) and kept.info is not None
    assert (kept.info.name, kept.info.path) == ("night/w", str(moved.path))
    assert store.key("night/w") == store.key("v") != "" == store.key("nothing")


def test_features_without_a_key_are_not_held(filled: tuple[FeatureStore, VideoSource, SnippetFeatures]) -> None:
    store, source, _ = filled
    assert store.unkeyed([source]) == []
    with np.load(store.path / "v.npz") as stored:
        arrays = dict(stored)
    meta = json.loads(str(arrays["meta"]))
    del meta["info"]["key"]
    np.savez(store.path / "v.npz", **{**arrays, "meta": np.array(json.dumps(meta))})
    assert open_store(store.path).load("v").frames == 20, "what is asked for by name is still read"
    assert not store.holds(source) and store.unkeyed([source]) == ["v"]
    assert Collection([str(store.path)]).content_key("v", ["colours"]) == ""


def test_a_collection_knows_the_content_behind_features(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures],
) -> None:
    store, source, _ = filled
    assert Collection([str(store.path)]).content_key("v.mp4", ["colours"]) == content_key(source)


def test_another_video_of_the_same_name_is_refused(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures], make_video: MakeVideo
) -> None:
    store, source, _ = filled
    other = make_video(7, "elsewhere/v")
    with pytest.raises(InputError, match=r"already has a video called v, from .*videos/v, not from .*elsewhere/v"):
        store.holds(other)
    shutil.rmtree(source.path)
    assert not store.holds(other)  # the first one is gone: this is what became of it


def test_the_extractor_is_found_again(
    filled: tuple[FeatureStore, VideoSource, SnippetFeatures], tmp_path: Path
) -> None:
    store, _, features = filled
    made = store.extractor
    assert made["spec"].endswith("networks/colours.onnx") and made["sampling"]["frames_per_snippet"] == 4
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("store", "networks"):
        (tmp_path / name).rename(moved / name)
    there = open_store(moved / "store")
    assert there.extractor["spec"] == f"onnx:{moved / 'networks' / 'colours.onnx'}"
    assert there.open_extractor().name == "colours"
    (moved / "networks").rename(tmp_path / "far away")
    with pytest.raises(InputError, match=r"networks/colours\.onnx: gone, and colours in .* was extracted with it"):
        open_store(moved / "store").open_extractor()
    make_store(moved / "store", tmp_path / "far away" / "colours.onnx")  # says where it is now
    assert open_store(moved / "store").open_extractor().name == "colours"
    assert np.array_equal(open_store(moved / "store").load("v").features, features.features)


def rewrite(store: FeatureStore, **changes: Any) -> None:
    with np.load(store.path / "v.npz") as stored:
        arrays = {**dict(stored), **changes}
    np.savez(store.path / "v.npz", **arrays)


def test_damage_to_a_video_is_named(filled: tuple[FeatureStore, VideoSource, SnippetFeatures]) -> None:
    store, source, features = filled
    spoilt = features.features.copy()
    spoilt[1, 2] = np.nan
    rewrite(store, features=spoilt)
    with pytest.raises(InputError, match=r"v\.npz: NaN or infinity in 1 of 2 rows, first in row 1"):
        store.load("v")
    for changed, said in (
        (features.features[:, :2], "vectors of length 2"),
        (features.features[:1], "1 snippets for 20 frames"),
        (features.features.astype(int), "floating-point"),
        (features.features[0], "floating-point"),
    ):
        rewrite(store, features=changed)
        with pytest.raises(InputError, match=rf"v\.npz: .*{said}"):
            store.load("v")
    store.save(features, source)
    meta = json.loads(str(np.load(store.path / "v.npz")["meta"]))
    rewrite(store, meta=np.array(json.dumps({**meta, "fingerprint": "f" * 12})))
    with pytest.raises(InputError, match="made by another extractor or sampling"):
        store.load("v")
    (store.path / "v.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"v\.npz: not a feature file"):
        store.load("v")
    with pytest.raises(InputError, match="has no features of w"):
        store.load("w")


def test_damage_to_the_store_is_named(tmp_path: Path, network: Path) -> None:
    store = make_store(tmp_path / "store", network)
    file = store.path / "store.json"
    about = json.loads(file.read_text())
    for changed, said in (
        ({**about, "version": 2}, "of version 2; this oddframe reads 1"),
        ({**about, "format": "other"}, "other of version 1"),
        ({**about, "sampling": {**about["sampling"], "crops": 10}}, "fingerprint does not fit"),
        ({k: v for k, v in about.items() if k != "identity"}, "damaged"),
        ({k: v for k, v in about.items() if k != "extractor"}, "damaged"),
        ([], "damaged"),
    ):
        file.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=rf"store\.json: .*{said}"):
            open_store(store.path)
    file.write_text("{")
    with pytest.raises(InputError, match=r"store\.json: damaged"):
        open_store(store.path)


def test_a_store_is_not_put_into_something_else(tmp_path: Path, network: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for path in (tmp_path / "full", tmp_path / "full" / "mine.txt"):
        with pytest.raises(InputError, match="exists and is not a store"):
            make_store(path, network)


def test_features_by_what_a_user_types(filled: tuple[FeatureStore, VideoSource, SnippetFeatures]) -> None:
    path = filled[0].path
    assert open_features(str(path)).name == "colours"
    renamed = open_features(f"rgb={path}")
    assert (renamed.name, renamed.fingerprint) == ("rgb", filled[0].fingerprint)
    np.savez(path.parent / "c3d.npz", a=np.ones((4, 6), np.float16))
    assert open_features(f"segments:{path.parent / 'c3d.npz'}").name == "c3d"
    public = open_features(f"fc6=segments:{path.parent / 'c3d.npz'}")
    assert (public.name, public.dim, public.extractor) == ("fc6", 6, None)
    for spec, said in (
        (f"{path.parent}/none", "no such store"),
        (str(path.parent), "not a store of features"),
        (f"tar:{path}", "no layout 'tar'; there are: rtfm"),
        (f"rtfm:{path.parent}/none", "no such file or folder"),
    ):
        with pytest.raises(InputError, match=said):
            open_features(spec)


def test_bounds_of_rows() -> None:
    features = SnippetFeatures("v", np.zeros((3, 2), np.float32), 37, "snippets")
    assert features.bounds().tolist() == [0, 16, 32, 37]
    assert features.bounds(1000).tolist() == [0, 16, 32, 37]  # its own length counts
    unknown = replace(features, frames=None)
    assert unknown.bounds().tolist() == [0, 16, 32, 48]
    assert unknown.bounds(49).tolist() == [0, 16, 32, 48]  # releases that drop the last frames
    assert unknown.bounds(40).tolist() == [0, 16, 32, 40]
    parts = replace(unknown, kind="segments")
    assert parts.bounds(10).tolist() == [0, 3, 6, 10]
    with pytest.raises(InputError, match="3 equal parts of a video whose number of frames is not known"):
        parts.bounds()


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    assert (
        fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": (1, 2), "a": 1}) != fingerprint({"a": 1, "b": [2, 1]})
    )
