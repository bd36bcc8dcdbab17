"""The sentinel: faults of the camera are found on a tiny street, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.errors import BundleError
from oddframe.scoring.glance import Brightness, Edges, View, agree, glance, sharpness, shift, turned
from oddframe.scoring.sentinel import FaultChange, Sentinel, Track, Verdict, closed
from oddframe.scoring.sentinel_reference import (
    NAME,
    Comparison,
    Limits,
    ReferenceLearner,
    SentinelReference,
    load_reference,
    median_of,
    save_reference,
)
from oddframe.street import World
from oddframe.types import CameraFault, VideoInfo
from oddframe.video.decode import Frame

Picture = NDArray[np.uint8]
SIZE, FPS, START, STOP = (72, 128), 2.0, 20.0, 50.0
INFO = VideoInfo("street", "street.mp4", width=SIZE[1], height=SIZE[0], fps=FPS, key="k1")


@pytest.fixture(scope="module")
def pictures() -> tuple[list[Picture], list[Picture]]:
    """A minute of a street to learn from, and a longer piece with another crowd."""
    world = World(seed=3, size=SIZE, fps=FPS)
    return [frame.image for frame in world.video(0, 60)], [frame.image for frame in world.video(1, 70)]


@pytest.fixture(scope="module")
def reference(pictures: tuple[list[Picture], list[Picture]]) -> SentinelReference:
    return learned({"a": pictures[0]})


def learned(videos: dict[str, Sequence[Picture]]) -> SentinelReference:
    learner = ReferenceLearner("bgr")
    for name, shown in videos.items():
        learner.begin(name)
        for number, picture in enumerate(shown):
            learner.see(number / FPS, picture)
    found = learner.learned()
    assert found is not None
    return found


def frames(shown: Sequence[Picture], fps: float = FPS) -> list[Frame]:
    return [Frame(number, number / fps, np.ascontiguousarray(picture)) for number, picture in enumerate(shown)]


def watch(reference: SentinelReference, shown: Sequence[Frame]) -> list[FaultChange]:
    sentinel = Sentinel(reference, INFO, "b1")
    return [change for frame in shown for change in sentinel.push(frame)] + sentinel.flush()


def moved(right: float, down: float) -> Callable[[Picture], Picture]:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return lambda picture: cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def rotated(degrees: float) -> Callable[[Picture], Picture]:
    matrix = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, 1.0)
    return lambda picture: cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def covered(share: float) -> Callable[[Picture], Picture]:
    def over(picture: Picture) -> Picture:
        found = picture.copy()
        found[:, : round(share * SIZE[1])] = (90, 70, 60)
        return found

    return over


def blurred(sigma: float) -> Callable[[Picture], Picture]:
    return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def lit(gain: float, more: float = 0) -> Callable[[Picture], Picture]:
    return lambda picture: np.clip(picture.astype(np.float32) * gain + more, 0, 255).astype(np.uint8)


FAULTS: dict[str, tuple[str, Callable[[Picture], Picture]]] = {
    "shifted by 5 pixels": ("moved", moved(4, -3)),
    "shifted by 30 pixels": ("moved", moved(-24, 18)),
    "turned by 2 degrees": ("moved", rotated(2)),
    "turned by 7 degrees": ("moved", rotated(-7)),
    "covered": ("covered", covered(1)),
    "covered by half": ("covered", covered(0.5)),
    "blurred": ("blurred", blurred(2.0)),
    "dark": ("dark", lit(0.08)),
    "bright": ("bright", lit(4, 60)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_once_and_ends(
    name: str, pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    kind, change = FAULTS[name]
    shown = [change(p) if START <= k / FPS < STOP else p for k, p in enumerate(pictures[1])]
    changes = watch(reference, frames(shown))
    told = [(one.kind, one.fault.kind) for one in changes if one.kind != "updated"]
    assert told == [("opened", kind), ("closed", kind)]
    (fault,) = closed(changes)
    assert START - 2 <= fault.start_s <= START + 2 and STOP - 6 <= fault.end_s <= STOP + 6
    assert fault.strength > 0.5 and fault.words and fault.key == "k1" and fault.bundle == "b1"


def test_a_picture_that_stands_still_is_found(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    shown = [pictures[1][40] if START <= k / FPS < STOP else p for k, p in enumerate(pictures[1])]
    (fault,) = closed(watch(reference, frames(shown)))
    assert fault.kind == "frozen" and START - 6 <= fault.start_s <= START + 1


def refreshed(picture: Picture, number: int) -> Picture:
    """A picture as an encoder shows it that is given it again and again: a key frame, coarser, every three seconds."""
    return (picture // 8 * 8 + 3).astype(np.uint8) if number // 2 % 3 == 0 else picture


def test_a_picture_that_stands_still_is_found_though_key_frames_refresh_it(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    still = pictures[1][40]
    shown = [refreshed(still, k) if START <= k / FPS < STOP else p for k, p in enumerate(pictures[1])]
    assert [fault.kind for fault in closed(watch(reference, frames(shown)))] == ["frozen"]


def test_a_calm_picture_with_noise_is_not_frozen(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    """Half a grey level of noise in the glance is enough."""
    rng, still = np.random.default_rng(0), pictures[1][40]
    shown = [
        np.clip(still + rng.normal(0, 1.5, still.shape), 0, 255).astype(np.uint8) if k / FPS >= START else p
        for k, p in enumerate(pictures[1])
    ]
    assert watch(reference, frames(shown)) == []


@pytest.mark.slow
def test_what_stands_in_a_frozen_picture_covers_nothing(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    """A lorry before the camera covers a part of it where life goes on beside it, and nothing where all is frozen."""
    lorry = np.random.default_rng(0).integers(0, 2, (9, 7, 1), np.uint8).repeat(8, 0).repeat(8, 1) * 200

    def parked(picture: Picture) -> Picture:
        found = picture.copy()
        found[:, :56] = lorry
        return found

    kinds = []
    for frozen in (True, False):
        shown = [
            parked(pictures[1][40] if frozen else p) if START <= k / FPS < STOP else p
            for k, p in enumerate(pictures[1])
        ]
        kinds.append([fault.kind for fault in closed(watch(reference, frames(shown)))])
    assert kinds == [["frozen"], ["covered"]]


def test_the_words_tell_the_shift_in_pixels_of_the_displayed_video(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    shown = [moved(-20, 9)(p) if k / FPS >= START else p for k, p in enumerate(pictures[1])]
    sentinel = Sentinel(reference, replace(INFO, width=3 * SIZE[1], height=3 * SIZE[0]))
    faults = closed([change for frame in frames(shown) for change in sentinel.push(frame)] + sentinel.flush())
    assert [fault.words for fault in faults] == [
        "the camera was moved: the picture lies 60 pixels to the left and 27 pixels lower"
    ]


def test_normal_life_is_no_fault(pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference) -> None:
    assert watch(reference, frames(pictures[1])) == []


def test_people_close_to_the_camera_are_no_fault(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    """Somebody who fills a fifth of the picture walks through it again and again, and once stops for seven seconds."""
    shown = []
    for number, picture in enumerate(pictures[1]):
        near = picture.copy()
        phase = (number / FPS) % 20
        left = round((min(phase, 8) + max(phase - 15, 0)) / 13 * (SIZE[1] + 50)) - 40
        cv2.ellipse(near, (left, 60), (13, 50), 0, 0, 360, (40, 60, 110), -1)
        shown.append(near)
    assert watch(reference, frames(shown)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "light",
    [
        lit(0.5),
        lit(1.5),
        lambda picture: cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
        lambda picture: (255 - picture // 2 - 64).astype(np.uint8),
    ],
    ids=["half", "brighter", "grey", "inverted as in infra-red"],
)
def test_a_change_of_light_is_no_fault(
    light: Callable[[Picture], Picture],
    pictures: tuple[list[Picture], list[Picture]],
    reference: SentinelReference,
) -> None:
    shown = [light(p) if k / FPS >= START else p for k, p in enumerate(pictures[1])]
    assert watch(reference, frames(shown)) == []


@pytest.mark.slow
def test_a_night_that_was_learned_is_neither_dark_nor_moved(pictures: tuple[list[Picture], list[Picture]]) -> None:
    """At night only a lamp's circle is lit."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    lamp = np.exp(-((rows - 50) ** 2 + (columns - 40) ** 2) / (2 * 14.0**2))[..., None]

    def night(picture: Picture) -> Picture:
        return (picture * 0.6 * lamp).astype(np.uint8)

    day = pictures[0]
    both = learned({"day": day[:80], "night": [night(p) for p in day[80:]]})
    nights = [night(p) for p in pictures[1]]
    assert watch(both, frames(nights)) == []
    assert closed(watch(both, frames([moved(12, 0)(p) for p in nights])))


@pytest.mark.slow
def test_what_is_said_depends_on_the_frames_up_to_it_alone(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    shown = frames([moved(9, 9)(p) if START <= k / FPS < STOP else p for k, p in enumerate(pictures[1])])
    sentinel, told = Sentinel(reference, INFO, "b1"), []
    for number, frame in enumerate(shown):
        told += [(number, change) for change in sentinel.push(frame)]
    for stop in (50, 70, 101):
        short = Sentinel(reference, INFO, "b1")
        assert [(n, c) for n in range(stop) for c in short.push(shown[n])] == [row for row in told if row[0] < stop]


def test_frames_between_the_seconds_change_nothing(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    every = frames([lit(0.05)(p) if k / FPS >= START else p for k, p in enumerate(pictures[1])])
    seconds = [frame for frame in every if frame.time == int(frame.time)]
    more = sorted([*every, *(Frame(0, f.time + 0.2, f.image // 3) for f in every)], key=lambda frame: frame.time)
    more = [replace(frame, index=number) for number, frame in enumerate(more)]
    runs = [[(c.kind, c.fault.kind, c.fault.start_s) for c in watch(reference, shown)] for shown in (seconds, more)]
    assert runs[0] == runs[1] and runs[0]


def test_a_pause_ends_what_is_open_and_medians_begin_anew(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    shown = frames([moved(9, 9)(p) for p in pictures[1][:60]])
    late = [replace(frame, index=frame.index + 60, time=frame.time + 600) for frame in shown]
    alone = [(c.kind, c.fault.start_s + 600, c.fault.end_s + 600) for c in watch(reference, shown)]
    both = [(c.kind, c.fault.start_s, c.fault.end_s) for c in watch(reference, [*shown, *late])]
    assert both[len(alone) :] == alone
    assert both[len(alone) - 1][:1] == ("closed",) and both[len(alone) - 1][2] < 60


def test_a_fault_does_not_flutter() -> None:
    """Judgements in which it is gone, fewer than four after each other, do not end it."""
    wrong = Verdict("moved", 2.0, "words")
    track, told = Track(INFO, "b"), []
    for number, verdict in enumerate([*[wrong] * 4, None, None, None, wrong, None, None, None, wrong, *[None] * 6]):
        changes = track.push(verdict, verdict, (number, float(number)), (number, float(number)))
        told += [(number, change.kind) for change in changes if change.kind != "updated"]
    assert told == [(2, "opened"), (15, "closed")]


def test_another_kind_takes_over_after_as_many_judgements_as_it_needs() -> None:
    one, two = Verdict("covered", 2.0, "words"), Verdict("moved", 3.0, "words")
    track, told = Track(INFO, "b"), []
    for number, verdict in enumerate([*[one] * 5, two, one, *[two] * 6]):
        changes = track.push(verdict, verdict, (number, float(number)), (number, float(number)))
        told += [(number, change.kind, change.fault.kind) for change in changes if change.kind != "updated"]
    assert told == [(2, "opened", "covered"), (9, "closed", "covered"), (9, "opened", "moved")]


def test_a_fault_that_lasts_is_told_again_where_it_grows_and_once_a_minute() -> None:
    track, told = Track(INFO, "b"), []
    for number in range(200):
        verdict = Verdict("moved", 2.0 if number < 20 else 5.0, "words")
        changes = track.push(verdict, verdict, (number, float(number)), (number, float(number)))
        told += [number for change in changes if change.kind == "updated"]
    assert told == [20, 80, 140]


def test_what_lasts_two_judgements_is_not_told() -> None:
    wrong, track = Verdict("moved", 2.0, "words"), Track(INFO, "b")
    for number, verdict in enumerate([wrong, wrong, None, wrong, wrong, None]):
        assert track.push(verdict, verdict, (number, float(number)), (number, float(number))) == []


def test_a_jolt_of_four_seconds_is_no_fault(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    shown = [moved(9, 9)(p) if START <= k / FPS < START + 4 else p for k, p in enumerate(pictures[1])]
    assert watch(reference, frames(shown)) == []


@pytest.mark.slow
def test_a_fault_ends_within_the_eased_limits_alone(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    """After a strong blur comes one that lies between the limits: it goes on. Without the strong one there is none."""
    view, aim = reference.shown[0], reference.limits.sharpness + 0.02
    sigmas = np.linspace(0.2, 1.2, 51)
    found = [sharpness(glance(blurred(s)(pictures[1][0]), "bgr"), view) for s in sigmas]
    sigma = float(sigmas[int(np.argmin(np.abs(np.array(found) - aim)))])
    mild = [blurred(sigma)(p) for p in pictures[1]]
    assert watch(reference, frames(mild)) == []
    strong = FAULTS["blurred"][1]
    shown = [strong(p) if 5 <= k / FPS < START else mild[k] for k, p in enumerate(pictures[1])]
    (fault,) = closed(watch(reference, frames(shown)))
    assert fault.kind == "blurred" and fault.end_s > 65


def test_eased_limits_are_looser_than_the_strict_ones() -> None:
    strict = Limits(change=0.05)
    eased = strict.eased()
    assert eased.agreement > strict.agreement and eased.sharpness > strict.sharpness and eased.dark > strict.dark
    assert eased.shift < strict.shift and eased.covered < strict.covered and eased.bright < strict.bright
    assert eased.change > strict.change and (eased.still, eased.edges) == (strict.still, strict.edges)


def test_short_videos_are_not_judged(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    assert watch(reference, frames([covered(1)(p) for p in pictures[1][:8]])) == []


@pytest.mark.slow
def test_the_size_and_the_colour_of_the_frames_do_not_matter(
    pictures: tuple[list[Picture], list[Picture]], reference: SentinelReference
) -> None:
    large = [cv2.resize(p, (384, 216), interpolation=cv2.INTER_LINEAR) for p in pictures[1]]
    red_first = replace(reference, colour="rgb")
    assert [c for c in watch(red_first, frames([p[..., ::-1] for p in pictures[1]]))] == []
    kinds = [fault.kind for fault in closed(watch(reference, frames([moved(30, 0)(p) for p in large])))]
    assert kinds == ["moved"]


@pytest.mark.slow
def test_a_camera_that_swings_in_normal_video_may_swing(pictures: tuple[list[Picture], list[Picture]]) -> None:
    def swung(shown: Sequence[Picture]) -> list[Picture]:
        return [moved(2.0 * (k // 40 % 2), 0)(p) for k, p in enumerate(shown)]

    found = learned({"a": swung(pictures[0])})
    assert found.limits.shift > 4
    assert watch(found, frames(swung(pictures[1]))) == []
    assert closed(watch(found, frames([moved(9, 0)(p) for p in swung(pictures[1])])))


@pytest.mark.slow
def test_a_camera_that_swings_is_judged_where_it_has_swung_to(pictures: tuple[list[Picture], list[Picture]]) -> None:
    swung = learned({"a": [moved(2.0 * (k // 40 % 2), 0)(p) for k, p in enumerate(pictures[0])]})
    assert swung.limits.sway > 2 and learned({"a": pictures[0]}).limits.sway == 0
    away = median_of([glance(moved(-1.5, 0)(p), "bgr") for p in pictures[1][:20]])
    as_standing = replace(swung, limits=replace(swung.limits, sway=0.0))
    one, other = Comparison(away, swung).agreement, Comparison(away, as_standing).agreement
    assert one.whole > other.whole + 0.1 and one.parts.min() > other.parts.min()
    hidden = [covered(0.5)(moved(-1.5, 0)(p)) for p in pictures[1]]
    assert [fault.kind for fault in closed(watch(swung, frames(hidden)))] == ["covered"]


@pytest.mark.slow
def test_things_that_somebody_puts_elsewhere_do_not_move_the_camera() -> None:
    """A wall with a few weak lines, and three bottles that are most of what the picture shows."""

    def shelf(*places: int) -> Picture:
        picture = np.full((*SIZE, 3), 150, np.uint8)
        picture[50:52], picture[:, 6:8], picture[:, 120:122], picture[10:12] = 140, 138, 138, 160
        for place in places:
            picture[16:66, place : place + 14] = (60, 90, 40)
            picture[30:34, place + 2 : place + 12] = 230
            picture[44:60, place + 4 : place + 10] = (20, 30, 200)
        noise = np.random.default_rng(sum(places)).normal(0, 2, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)

    found = learned({"a": [shelf(20, 55, 95)] * 120})
    elsewhere = [shelf(20, 55, 95)] * 20 + [shelf(23, 58, 98)] * 60
    assert [change for change in watch(found, frames(elsewhere)) if change.fault.kind == "moved"] == []
    shifted = [shelf(20, 55, 95)] * 20 + [moved(3, 0)(shelf(20, 55, 95))] * 60
    assert [fault.kind for fault in closed(watch(found, frames(shifted)))][-1] == "moved"


def test_a_picture_without_edges_says_nothing_of_edges() -> None:
    rng = np.random.default_rng(0)
    plain = [rng.integers(95, 105, (*SIZE, 3)).astype(np.uint8) for _ in range(60)]
    found = learned({"wall": plain})
    assert not found.limits.edges
    assert watch(found, frames(plain)) == []


def test_limits_come_from_medians_that_are_not_compared_with_themselves(
    pictures: tuple[list[Picture], list[Picture]],
) -> None:
    """Two videos of which one is softer: the limit of sharpness allows for it."""
    soft = [blurred(0.6)(p) for p in pictures[0]]
    one, two = learned({"a": pictures[0]}), learned({"a": pictures[0], "b": soft})
    assert two.limits.sharpness < one.limits.sharpness


# Storage


def test_a_reference_is_kept_as_it_was(reference: SentinelReference, tmp_path: Path) -> None:
    save_reference(tmp_path, reference)
    first = (tmp_path / NAME).read_bytes()
    found = load_reference(tmp_path)
    assert found is not None
    assert found.limits == reference.limits and found.colour == reference.colour
    assert all(np.array_equal(a, b) for a, b in zip(found.views, reference.views, strict=True))
    save_reference(tmp_path, found)
    assert (tmp_path / NAME).read_bytes() == first


def test_a_bundle_without_a_reference_has_none(reference: SentinelReference, tmp_path: Path) -> None:
    assert load_reference(tmp_path) is None
    save_reference(tmp_path, reference)
    save_reference(tmp_path, None)
    assert load_reference(tmp_path) is None


def damaged(folder: Path, reference: SentinelReference, how: str) -> None:
    path = folder / NAME
    if how == "views":
        save_reference(folder, replace(reference, views=(np.zeros((10, 10), np.uint8),)))
    elif how == "limits":
        save_reference(folder, replace(reference, limits=replace(Limits(), shift=float("nan"))))
    elif how == "no views":
        save_reference(folder, replace(reference, views=()))
    else:
        save_reference(folder, reference)
        path.write_bytes(path.read_bytes()[:500] if how == "cut" else b"")


@pytest.mark.parametrize("how", ["cut", "empty", "views", "limits", "no views"])
def test_a_damaged_reference_is_one_line(how: str, reference: SentinelReference, tmp_path: Path) -> None:
    damaged(tmp_path, reference, how)
    with pytest.raises(BundleError, match=NAME) as error:
        load_reference(tmp_path)
    assert "\n" not in str(error.value)


# Measures


def test_a_shift_is_measured_to_a_fraction_of_a_pixel(reference: SentinelReference) -> None:
    view = reference.views[0]
    matrix = np.array([[1, 0, 6.5], [0, 1, -3.25]], np.float32)
    other = np.asarray(cv2.warpAffine(view, matrix, view.shape[::-1], borderMode=cv2.BORDER_REFLECT), np.uint8)
    move = shift(Edges.of(other), View(view))
    assert move.right == pytest.approx(6.5, abs=0.2) and move.down == pytest.approx(-3.25, abs=0.2)
    assert move.gain > 0.2


def test_the_edges_of_a_picture_agree_with_those_of_its_negative(reference: SentinelReference) -> None:
    view = reference.views[0]
    assert agree(Edges.of((255 - view).astype(np.uint8)), Edges.of(view)).whole > 0.9


def test_a_turn_is_found(reference: SentinelReference) -> None:
    view = reference.views[0]
    matrix = cv2.getRotationMatrix2D((128, 80), -4.5, 1.0)
    other = np.asarray(cv2.warpAffine(view, matrix, view.shape[::-1], borderMode=cv2.BORDER_REFLECT), np.uint8)
    assert turned(other, view).turn == pytest.approx(4.5, abs=1.5)


def test_sharpness_does_not_depend_on_contrast(reference: SentinelReference) -> None:
    view = reference.views[0]
    assert sharpness((view // 2 + 40).astype(np.uint8), View(view)) == pytest.approx(1, abs=0.06)
    assert sharpness(np.asarray(cv2.GaussianBlur(view, (0, 0), 2.0), np.uint8), View(view)) < 0.75


def test_brightness_counts_saturated_pixels() -> None:
    half = np.full((160, 256), 100, np.uint8)
    half[:80] = 255
    found = Brightness.of(half)
    assert found.saturated == pytest.approx(0.5) and found.low == 100 and found.high == 255


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 17])
def test_the_median_is_the_lower_middle_value(count: int) -> None:
    pictures = np.random.default_rng(count).integers(0, 256, (count, 160, 256)).astype(np.uint8)
    assert np.array_equal(median_of(list(pictures)), np.sort(pictures, axis=0)[(count - 1) // 2])


def test_a_glance_is_grey_and_small() -> None:
    red = np.zeros((300, 500, 3), np.uint8)
    red[..., 0] = 255
    assert glance(red, "rgb").shape == (160, 256)
    assert glance(red, "rgb")[0, 0] == 76 and glance(red, "bgr")[0, 0] == 29
    assert glance(red[..., :1], "gray")[0, 0] == 255


def test_the_id_of_a_fault_names_it_for_ever() -> None:
    one = CameraFault("a", "moved", 5, 9, 1.0, 2.0, 3.0, "words", "b1", key="k")
    assert replace(one, end_frame=50, end_s=9.0, strength=4.0).id == one.id == replace(one, video="b", id="").id
    assert replace(one, kind="dark", id="").id != one.id
