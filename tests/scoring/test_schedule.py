"""Which of several calibrations holds for a frame, and the scores in its units, however the video was cut."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oddframe.errors import CalibrationError, InputError
from oddframe.scoring.calibrate import Calibration, calibrate, together
from oddframe.scoring.combine import ScoreRule, in_units
from oddframe.scoring.elsewhere import elsewhere
from oddframe.scoring.events import find_events, spans
from oddframe.scoring.heldout_store import divided_by
from oddframe.scoring.schedule import (
    CHOSEN,
    BrightnessSchedule,
    Chooser,
    ClockSchedule,
    Schedule,
    chosen_again,
    load_schedule,
    seconds_chosen,
)
from oddframe.scoring.stream import Piece
from oddframe.settings import Smoothing
from oddframe.types import Colour, Combination, FrameScores, VideoInfo
from oddframe.video.decode import Frame

CLOCK = ClockSchedule("Europe/Berlin", {"day": ("06:30-20:00",), "night": ("20:00-06:30",)})
LIGHT = BrightnessSchedule({"day": 60.0, "night": 0.0}, seconds=0.0, hysteresis=10.0)
HOW = Combination({"speed": 1.0}, scale="normal")


def utc(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def chosen(schedule: Schedule, lumas: Sequence[float], began: float | None = None, rate: float = 10.0) -> list[int]:
    """The choices for even grey frames."""
    chooser = Chooser(schedule, "gray", began)
    frames = [Frame(n, n / rate, np.full((2, 2, 1), luma, np.uint8)) for n, luma in enumerate(lumas)]
    assert list(chooser.watch(frames)) == frames
    numbers = np.arange(len(frames))
    return chooser.choose(Piece(numbers, numbers / rate, {}, None)).components[CHOSEN].astype(int).tolist()


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("2026-01-31T06:29:59+01:00", 1), ("2026-01-31T06:30:00+01:00", 0), ("2026-01-31T18:59:59+00:00", 0),
        ("2026-01-31T19:00:00+00:00", 1), ("2026-07-31T18:00:00+00:00", 1), ("2026-07-31T04:30:00+00:00", 0),
    ],
)  # fmt: skip
def test_the_clock_goes_by_its_zone_and_keeps_to_summer_time(moment: str, number: int) -> None:
    assert CLOCK.at(utc(moment)) == number
    assert chosen(CLOCK, [0] * 3, utc(moment) - 0.1) == [CLOCK.at(utc(moment) - 0.1), number, number]


def test_a_clock_without_a_start_is_refused_and_never_guessed() -> None:
    with pytest.raises(InputError, match=r"when the video was taken is not known.*Berlin"):
        Chooser(CLOCK, "gray", None)


def test_brightness_changes_only_past_the_level_by_the_hysteresis() -> None:
    day, night = 0, 1
    lumas = [100, 65, 55, 51, 49, 55, 65, 69, 70, 61, 50]
    assert chosen(LIGHT, lumas) == [day, day, day, day, night, night, night, night, day, day, day]
    assert chosen(LIGHT, [60, 59]) == [day, day] and chosen(LIGHT, [59, 61]) == [night, night], "the first by the level"


def test_three_levels_may_be_passed_at_once() -> None:
    three = BrightnessSchedule({"dusk": 40.0, "night": 0.0, "day": 100.0}, 0.0, 5.0)
    assert chosen(three, [200, 10, 50, 200, 96, 94, 30]) == [2, 1, 0, 2, 2, 0, 1]


def test_luma_is_smoothed_over_time_whatever_the_rate() -> None:
    slow = replace(LIGHT, seconds=10.0)
    for rate in (5.0, 20.0):
        numbers = chosen(slow, [100] + [0] * int(30 * rate), rate=rate)
        # 100 exp(-t / 10) falls below 50 after 6.93 s.
        assert numbers.index(1) / rate == pytest.approx(10 * math.log(2), abs=1 / rate)
    flicker = [0 if number % 5 == 4 else 100 for number in range(100)]
    assert set(chosen(slow, flicker)) == {0}, "a flash or a dark frame changes nothing"


def test_after_a_pause_the_brightness_is_judged_anew() -> None:
    chooser = Chooser(replace(LIGHT, seconds=100.0), "gray", None)
    times = [0.0, 0.1, 0.2, 3600.0, 3600.1]
    for number, (time, luma) in enumerate(zip(times, (100, 100, 100, 59, 59), strict=True)):
        chooser.see(Frame(number, time, np.full((2, 2, 1), luma, np.uint8)))
    found = chooser.choose(Piece(np.arange(5), np.array(times), {}, None)).components[CHOSEN]
    assert found.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("colour", "pixel"), [("bgr", (255, 0, 0)), ("rgb", (0, 0, 255))])
def test_luma_weighs_the_colours(colour: Colour, pixel: tuple[int, int, int]) -> None:
    """Blue light of full strength has luma 29, wherever its channel stands."""
    for level, number in ((28, 1), (30, 0)):
        chooser = Chooser(BrightnessSchedule({"dark": 0.0, "light": float(level)}, 0, 0), colour, None)
        chooser.see(Frame(0, 0.0, np.full((2, 2, 3), pixel, np.uint8)))
        assert chooser.choose(Piece(np.zeros(1, int), np.zeros(1), {}, None)).components[CHOSEN] == [number]


def test_frames_without_a_score_are_passed_over() -> None:
    chooser = Chooser(LIGHT, "gray", None)
    for number, luma in enumerate((100, 100, 0, 0, 100)):
        chooser.see(Frame(number, number / 10, np.full((2, 2, 1), luma, np.uint8)))
    found = [chooser.choose(Piece(np.array(part), np.array(part) / 10, {}, None)) for part in ([1, 2], [4])]
    assert [one.components[CHOSEN].tolist() for one in found] == [[0, 1], [0]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("by: clock\ncalibrations: {day: '06:00-20:00', night: '20:00-06:00'}", "zone: missing"),
        ("by: clock\nzone: Mars/Base\ncalibrations: {day: '06:00-20:00', night: '20:00-06:00'}", "no time zone"),
        ("by: clock\nzone: UTC\ncalibrations: {day: '06:00-20:00', night: '21:00-06:00'}", "20:00 belongs to none"),
        ("by: clock\nzone: UTC\ncalibrations: {day: '06:00-20:00', night: '19:30-06:00'}", "19:30 belongs to day and"),
        ("by: clock\nzone: UTC\ncalibrations: {day: 6-20, night: 20-6}", "'6-20' are no hours"),
        ("by: clock\nzone: UTC\ncalibrations: {day: '06:00-25:00', night: '01:00-06:00'}", "are no hours"),
        ("by: clock\nzone: UTC\ncalibrations: {day: '00:00-24:00'}", "name at least two"),
        ("by: moon\ncalibrations: {a: 1, b: 2}", "write `by: clock`"),
        ("by: brightness\ncalibrations: {day: 60, night: 10}", "one has to begin at 0"),
        ("by: brightness\ncalibrations: {day: 0, night: 0}", "two begin at 0"),
        ("by: brightness\ncalibrations: {day: 300, night: 0}", "no level of luma"),
        ("by: brightness\ncalibrations: {day: bright, night: 0}", "calibrations.day"),
        ("by: brightness\nsecond: 3\ncalibrations: {day: 60, night: 0}", "second.*did you mean seconds"),
        ("by: brightness\nhysteresis: -1\ncalibrations: {day: 60, night: 0}", "hysteresis: -1"),
        ("by: brightness\nhysteresis: 60\ncalibrations: {day: 60, night: 0}", "hysteresis: 60 is too .* less than 60"),
        ("by: brightness\ncalibrations: {day: 60, dazzled: 252, night: 0}", "hysteresis: 5 is too .* less than 3"),
        ("by: brightness\ncalibrations: {on: 60, off: 0}", "True is no name.* in quotes"),
        ("by: brightness\ncalibrations: {1: 30, '1': 60, night: 0}", "1 is no name.* in quotes"),
        ("by: brightness\ncalibrations: {day: 2026-01-01, night: 0}", "calibrations: neither text nor a number"),
        (
            "by: clock\nzone: UTC\ncalibrations: {day: [], a: '06:00-20:00', b: '20:00-06:00'}",
            "calibrations.day: no hou",
        ),
        ("by: brightness", "calibrations: write the name"),
        ("[1, 2]", "write `by: clock`"),
    ],
)
def test_a_file_that_is_no_schedule_says_what_is_wrong(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "schedule.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"schedule\.yaml: not a schedule \(.*{fault}"):
        load_schedule(tmp_path / "schedule.yaml")


def test_a_machine_without_time_zones_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddframe.reading.zones.available_timezones", set)
    monkeypatch.setattr("oddframe.reading.zones.ZoneInfo", {}.__getitem__)
    with pytest.raises(ValueError, match="pip install tzdata"):
        replace(CLOCK, zone="Europe/Berlin")


def test_a_file_is_read_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_text("by: clock\nzone: Europe/Berlin\ncalibrations:\n  day: 06:30 - 20:00\n  night: [20:00-06:30]\n")
    found = load_schedule(path)
    assert isinstance(found, ClockSchedule) and [found.at(utc(f"2026-01-31T{h}:00Z")) for h in ("12", "23")] == [0, 1]
    path.write_text("by: brightness\nhysteresis: 10\nseconds: 0\ncalibrations: {day: 60, night: 0}\n")
    assert load_schedule(path) == LIGHT


def made() -> tuple[ScoreRule, Calibration, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A rule with two calibrations, the combined one, and a day and a night of another spread: time, speed, choice."""
    random = np.random.default_rng(4)
    time = np.arange(4000) / 10
    number = (time >= 200).astype(float)
    speed = np.where(number > 0, random.normal(1, 0.1, 4000), random.normal(30, 5, 4000))
    smoothing = Smoothing("causal", 9, 3.0, rate=10.0)
    parts = {}
    for place, name in enumerate(("day", "night")):
        own, levels = number == place, {"speed": (30.0, 5.0) if place == 0 else (1.0, 0.1)}
        score = ScoreRule(HOW, smoothing, levels)({"speed": speed[own]}, time[own])
        parts[name] = replace(calibrate([(time[own], score)], alarms_per_hour=20.0, merge_s=1.0), levels=levels)
    rule = ScoreRule(HOW, smoothing, {"speed": (15.0, 15.0)}, LIGHT, parts)
    whole = together(LIGHT, parts, [(time, rule({"speed": speed, CHOSEN: number}, time))])
    return rule, replace(whole, levels=dict(rule.levels)), time, speed, number


def test_scores_are_in_units_of_their_own_calibration() -> None:
    rule, whole, time, speed, number = made()
    score = rule({"speed": speed, CHOSEN: number}, time)
    for place, part in enumerate(rule.parts.values()):
        own = number == place
        plain = ScoreRule(HOW, rule.smoothing, part.levels)({"speed": speed[own]}, time[own])
        assert np.allclose(score[own], (plain - part.scores["0.5"]) / (part.threshold - part.scores["0.5"]))
        assert np.array_equal(score[own] >= 1, plain >= part.threshold)
        assert np.array_equal(score[own] >= 0.5, plain >= part.low)
        found = spans(time[own], score[own], 1.0, 0.5, whole.merge_s)
        assert len(found) == part.events, "as many alarms as its promise has counted"
    assert (whole.threshold, whole.low, whole.events) == (1.0, 0.5, sum(part.events for part in rule.parts.values()))


@pytest.mark.parametrize("cut", [1, 7, 333, 4000])
def test_however_a_video_is_cut_its_scores_are_the_same_bits(cut: int) -> None:
    rule, _, time, speed, number = made()
    number = np.where(np.arange(4000) % 700 < 350, number, 1 - number)  # nine changes, with pieces over each of them
    stream, done = rule.stream(), []
    for start in range(0, 4000, cut):
        rows = slice(start, start + cut)
        done.append(stream.push({"speed": speed[rows], CHOSEN: number[rows]}, time[rows]))
    done.append(stream.flush())
    assert np.array_equal(np.concatenate(done), rule({"speed": speed, CHOSEN: number}, time))


def test_rounding_carries_no_score_over_a_threshold() -> None:
    _, whole, *_ = made()
    part = replace(whole.parts["day"], threshold=0.1 + 0.2, low=0.1, scores={**whole.scores, "0.5": -1e9})
    score = np.array([np.nextafter(part.threshold, 0), part.threshold, np.nextafter(part.low, 0), part.low])
    assert (in_units(score, part) >= 1).tolist() == [False, True, False, False]
    assert (in_units(score, part) >= 0.5).tolist() == [True, True, False, True]


def test_an_event_goes_on_over_a_change_while_it_is_unusual_in_the_units_of_both() -> None:
    """Its peak is the frame that is highest in units of its own calibration, though its raw score is far lower."""
    rule, whole, time, *_ = made()
    rule = replace(rule, smoothing=Smoothing("none"))
    number = (time[:100] >= 5).astype(float)

    def events(day: float, night: float, rest: float = 1.0) -> list[tuple[float, float, float]]:
        speed = np.where(number > 0, rest, 30.0)
        speed[40:50], speed[50:60] = day, night
        components = {"speed": speed, CHOSEN: number}
        score = rule(components, time[:100])
        info = VideoInfo("v", "v", 4, 4, 10.0)
        scores = FrameScores("v", np.arange(100), time[:100], components, score, info)
        found = find_events(scores, whole.threshold, whole.low, merge_s=0.2)
        return [(event.start_s, event.peak_s, event.end_s) for event in found]

    assert events(60.0, 3.0) == [(4.0, 5.0, 5.9)], "one event, whose peak lies in the night"
    assert events(90.0, 1.4) == [(4.0, 4.0, 5.9)], "the rest of it is over the threshold of the night"
    assert events(60.0, 1.0) == [(4.0, 4.0, 4.9)], "what is usual at night ends it"
    assert events(30.0, 3.0) == [(5.0, 5.0, 5.9)]


def test_a_calibration_of_several_is_kept_in_json_as_it_is_and_a_plain_one_as_before() -> None:
    _, whole, *_ = made()
    assert Calibration.from_json(whole.to_json()) == whole
    assert list(Calibration.from_json(whole.to_json()).parts) == ["day", "night"]
    plain = whole.parts["day"].to_json()
    assert "schedule" not in plain and "parts" not in plain
    with pytest.raises(InputError, match="the schedule names"):
        Calibration.from_json(whole.to_json().replace('"night": {', '"evening": {'))


def test_the_promise_of_several_is_that_of_the_worst() -> None:
    _, whole, *_ = made()
    bounds = [part.upper_rate for part in whole.parts.values()]
    assert whole.upper_rate == max(bound for bound in bounds if bound is not None) and whole.rate == 20.0
    assert whole.seconds == sum(part.seconds for part in whole.parts.values())
    assert "at most 20 alarms per hour" in whole.sentence() and "night from luma 0" in whole.sentence()


def test_another_scene_is_told_by_what_is_normal_when_it_is_seen() -> None:
    _, whole, time, speed, number = made()
    levels, parts = whole.levels, [part.levels for part in whole.parts.values()]
    info = VideoInfo("v", "v", 4, 4, 10.0)
    own = FrameScores("v", np.arange(4000), time, {"speed": speed, CHOSEN: number}, time * 0, info)
    assert elsewhere([own], HOW, levels, parts) == []
    swapped = replace(own, components={"speed": speed + 3, CHOSEN: number * 0 + 1})
    assert elsewhere([swapped], HOW, levels) == [] and len(elsewhere([swapped], HOW, levels, parts)) == 1


def test_seconds_are_told_apart_and_a_clock_can_be_set_again() -> None:
    time: NDArray[np.float64] = np.arange(10) * np.float64(60)
    components = chosen_again(CLOCK, {"speed": time}, time, utc("2026-01-31T19:55+01:00"))
    assert components[CHOSEN].tolist() == [0] * 5 + [1] * 5
    assert seconds_chosen(CLOCK, components, time) == {"day": 300.0, "night": 300.0}
    assert CHOSEN not in chosen_again(CLOCK, {"speed": time}, time, None)
    kept = {CHOSEN: time * 0}
    assert chosen_again(LIGHT, kept, time, 0.0) == kept


@pytest.mark.parametrize("number", [2.0, -1.0, 1e300])
def test_a_calibration_that_there_is_not_is_refused_in_score_files_and_in_held_out_scores(number: float) -> None:
    rule, whole, time, speed, _ = made()
    chosen = {"speed": speed, CHOSEN: np.full(len(time), number)}
    with pytest.raises(InputError, match="score the video again"):
        rule(chosen, time)
    for components in (chosen, {"speed": speed}):
        with pytest.raises(CalibrationError, match="calibrate again on normal video"):
            divided_by(LIGHT, [(time, components)])
    row = whole.as_json()
    row["parts"]["day"]["levels"] = {}
    with pytest.raises(InputError, match=r"parts\.day\.levels"):
        Calibration.from_json(json.dumps(row))
