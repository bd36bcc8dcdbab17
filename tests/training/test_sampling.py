"""Which samples a step sees."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_toys import ToySet

from oddframe.models.detector import Batch
from oddframe.models.stage import BatchSampling
from oddframe.training.sampling import Sampler, as_batch, fetched_ahead, heldout_samples


@given(
    samples=st.integers(4, 200),
    batch=st.integers(1, 20),
    world=st.integers(1, 4),
    first=st.integers(0, 9),
    seed=st.integers(0, 2**31),
)
def test_devices_share_each_batch_of_a_permutation(samples: int, batch: int, world: int, first: int, seed: int) -> None:
    videos = (range(samples // 3), range(samples // 3, samples))
    alone = Sampler(seed, 1, first, videos, batch * world)
    seen = []
    for step in range(alone.steps_per_epoch):
        shares = [Sampler(seed, 1, first, videos, batch * world, rank, world) for rank in range(world)]
        parts = [share.at(step) for share in shares]
        assert {len(part[0]) for part in parts} == {shares[0].global_batch // world}
        assert {part[2] for part in parts} == {first}
        seen += [sample for part in parts for sample in part[0].tolist()]
        if shares[0].global_batch == alone.global_batch:
            whole, keys, _ = alone.at(step)
            key_of = dict(zip(whole.tolist(), keys.tolist(), strict=True))
            assert {s: k for part in parts for s, k in zip(*map(np.ndarray.tolist, part[:2]), strict=True)} == key_of
    assert len(set(seen)) == len(seen)
    assert len(seen) > samples - batch * world


def test_orders_and_keys_differ_between_epochs_stages_and_seeds() -> None:
    settings = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    draws = [Sampler(seed, stage, epoch, (range(50),), 50).at(0) for seed, stage, epoch in settings]
    assert len({tuple(samples.tolist()) for samples, _, _ in draws}) == len(settings)
    assert len({key for _, keys, _ in draws for key in keys.tolist()}) == len(settings) * 50
    assert all((keys >= 0).all() for _, keys, _ in draws)


def test_keys_say_nothing_about_the_order() -> None:
    keys = Sampler(0, 0, 0, (range(10_000),), 10_000).at(0)[1]
    assert abs(np.corrcoef(keys.astype(float), np.arange(10_000))[0, 1]) < 0.05


def test_epochs_follow_each_other() -> None:
    sampler = Sampler(0, 0, 5, (range(10),), batch_size=4)
    assert [sampler.at(step)[2] for step in range(5)] == [5, 5, 6, 6, 7]
    assert set(sampler.at(0)[0]) & set(sampler.at(1)[0]) == set()


def test_a_set_smaller_than_the_batch_is_one_batch() -> None:
    sampler = Sampler(0, 0, 0, (range(5),), batch_size=16, rank=1, world=2)
    assert (sampler.global_batch, sampler.steps_per_epoch, len(sampler.at(0)[0])) == (4, 1, 2)


def test_batches_hold_the_clips_without_a_copy() -> None:
    clips = ToySet(4).batch(np.arange(3), np.arange(3), 0)
    batch = as_batch(clips)
    assert batch.frames.data_ptr() == clips.frames.ctypes.data
    assert batch.key.dtype == torch.int64
    assert batch.context is None
    assert batch.pasted is None


def numbered(step: int) -> Batch:
    return Batch(torch.zeros(1), torch.zeros(1), torch.tensor([step]))


def test_batches_come_in_order_and_ahead_of_time() -> None:
    called = []
    third = threading.Event()

    def fetch(step: int) -> Batch:
        called.append(step)
        if step == 9:
            third.set()
        return numbered(step)

    with closing(fetched_ahead(fetch, 7, devices=1000)) as batches:
        assert next(batches)[0].key.item() == 7
        assert third.wait(60), "two batches are prepared beyond the one in use"
        assert [next(batches)[0].key.item() for _ in range(20)] == list(range(8, 28))
    assert called[-1] <= 29


def test_an_error_in_fetching_is_raised_at_its_place() -> None:
    def fetch(step: int) -> Batch:
        if step == 2:
            raise ValueError("no such step")
        return numbered(step)

    batches = fetched_ahead(fetch, 0, devices=1)
    assert [next(batches)[0].key.item() for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="no such step"):
        next(batches)


VIDEOS = (range(100), range(100, 103), range(103, 303))


@pytest.mark.parametrize("kind", ["spread", "close"])
def test_groups_come_from_one_video_each(kind: str) -> None:
    sampler = Sampler(0, 0, 0, VIDEOS, batch_size=8, sampling=BatchSampling(kind, group=4, segments=10))
    assert (sampler.units, sampler.global_batch, sampler.steps_per_epoch) == (2, 8, 1)
    drawn = set()
    for step in range(40):
        samples, keys, epoch = sampler.at(step)
        assert (len(samples), len(keys), epoch) == (8, 8, step)
        groups = samples.reshape(2, 4)
        assert {next(i for i, video in enumerate(VIDEOS) if group[0] in video) for group in groups} == {0, 2}
        for group in groups:
            video = next(video for video in VIDEOS if group[0] in video)
            place, length = group - video.start, len(video) // 10
            assert len(set(group)) == 4 and all(sample in video for sample in group)
            if kind == "spread":
                assert len(set(place // length)) == 4 and len(set(place % length)) == 1
            else:
                assert len(set(place // length)) == 1
        drawn |= set(samples.tolist())
    assert len(drawn) > 150, "groups change from epoch to epoch"


def test_devices_take_whole_groups() -> None:
    how = BatchSampling("close", group=4)
    whole = Sampler(3, 0, 0, VIDEOS, 8, sampling=how).at(5)[0].reshape(2, 4)
    for rank in range(2):
        assert np.array_equal(Sampler(3, 0, 0, VIDEOS, 8, rank, 2, how).at(5)[0], whole[rank])


def test_a_video_with_few_windows_is_divided_less() -> None:
    sampler = Sampler(0, 0, 0, (range(9),), 4, sampling=BatchSampling("close", group=4))
    assert {len(set(sampler.at(step)[0])) for step in range(20)} == {4}


def test_heldout_samples_are_always_the_same_and_grouped_alike() -> None:
    plain = heldout_samples([range(1000)], BatchSampling(), 100, 0)
    assert [len(part) for part in plain] == [100, 100, 56]
    how = BatchSampling("close", group=4)
    first, again = (heldout_samples(VIDEOS, how, 8, 0) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)) and {len(a) for a in first} == {8}
    assert heldout_samples([range(3)], how, 8, 0) == []
    bags = [range(100), range(100, 200)]
    assert len(heldout_samples(bags, BatchSampling("balanced"), 60, 0)) == 200 // 60
    few = heldout_samples([range(5), range(5, 9)], BatchSampling("balanced"), 60, 0)
    assert len(few) == 1, "nine bags are not measured four times over"


CLASSES = (range(0, 70), range(70, 90))  # 70 normal bags, 20 anomalous


def test_balanced_batches_have_equally_many_of_every_class() -> None:
    sampler = Sampler(3, 0, 0, CLASSES, 20, sampling=BatchSampling("balanced"))
    assert (sampler.units, sampler.global_batch, sampler.steps_per_epoch) == (70, 20, 7)
    drawn = [sampler.at(step)[0] for step in range(sampler.steps_per_epoch)]
    for samples in drawn:
        assert sum(sample in CLASSES[0] for sample in samples) == 10
        assert sum(sample in CLASSES[1] for sample in samples) == 10
    seen = np.concatenate(drawn)
    assert sorted(sample for sample in seen if sample in CLASSES[0]) == list(CLASSES[0]), "the longest class, once"
    assert set(np.bincount(seen[seen >= 70] - 70)) == {3, 4}, "the short class is begun again and again"


def test_balanced_batches_where_a_class_is_smaller_than_its_share() -> None:
    sampler = Sampler(3, 0, 0, (range(0, 40), range(40, 43)), 20, sampling=BatchSampling("balanced"))
    samples, _, _ = sampler.at(0)
    assert len(samples) == 20
    assert np.isin(samples, np.arange(40, 43)).sum() == 10


def test_balanced_epochs_differ_and_devices_share_them() -> None:
    whole = Sampler(3, 0, 0, CLASSES, 20, sampling=BatchSampling("balanced"))
    assert not np.array_equal(whole.at(0)[0], whole.at(7)[0])
    shares = [Sampler(3, 0, 0, CLASSES, 20, rank, 2, BatchSampling("balanced")).at(2)[0] for rank in range(2)]
    assert sorted(np.concatenate(shares)) == sorted(whole.at(2)[0])
    for share in shares:
        assert sum(sample in CLASSES[1] for sample in share) == 5
