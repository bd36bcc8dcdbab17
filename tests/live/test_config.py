"""The configuration of a watch: the example is right, and what is wrong is told with key, line, and what was meant."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from oddframe.errors import InputError
from oddframe.live.config import EXAMPLE, corners_of, hours_of, load_config
from oddframe.live.rules import Timetable
from oddframe.models.ignored import IgnoredPlace


def test_the_example_that_ships_is_right_and_names_every_key() -> None:
    read = load_config(EXAMPLE)
    door = read.cameras["door"]
    assert [zone.name for zone in door.zones] == ["clock", "road"] and len(door.schedule) == 2
    text = EXAMPLE.read_text(encoding="utf-8")
    values = [read, door, read.on_event, read.clips, door.record, read.on_event.webhook, read.on_event.mqtt]
    keys = {key for value in values for key in getattr(type(value), "model_fields", {})}
    assert len(keys) > 25
    assert not [key for key in keys - {"threshold", "quantile"} if f"{key}:" not in text]
    assert "`threshold`" in text and "`quantile`" in text


CAMERA = "cameras:\n  a:\n    source: x\n"


def test_the_configuration_of_the_documentation_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "live.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "watch.yaml").write_text(block)
    read = load_config(tmp_path / "watch.yaml")
    assert list(read.cameras) == ["door", "yard"] and read.cameras["yard"].zones[0].holds(0.5, 0.9)


ZONE = r"line 4: cameras.a.ignore.z: write \[left, top, right, bottom\], or at least three corners \[x, y\], in shares"
WRONG = {
    "camera: {}": "line 1: camera: there is no such key; did you mean cameras?",
    "cameras:\n  a:\n    sourc: x\n": "line 3: cameras.a.sourc: there is no such key; did you mean source?",
    "cameras:\n  a:\n    runtime: torch\n": "line 2: cameras.a.source: it is missing",
    f"{CAMERA}    record: {{day: 3}}\n": "line 4: cameras.a.record.day: there is no such key; did you mean days?",
    f"{CAMERA}on_event:\n  webhook: {{urll: 3}}": "on_event.webhook.urll: there is no such key; did you mean url?",
    f"{CAMERA}    schedule: [mon-fry]\n": "line 4: cameras.a.schedule: 'mon-fry': write days and hours",
    f"{CAMERA}    schedule: 25:00-26:00\n": "line 4: cameras.a.schedule: '25:00-26:00': write days and hours",
    f"{CAMERA}    ignore: {{z: [0, 1, 2, 1]}}\n": "line 4: cameras.a.ignore.z: 2 is no share of the picture; write",
    f"{CAMERA}    ignore: {{z: [0, 0, -3, .nan]}}\n": "line 4: cameras.a.ignore.z: -3 is no share of the picture",
    f"{CAMERA}    ignore: {{z: [0, 0, 1, .nan]}}\n": "line 4: cameras.a.ignore.z: nan is no share of the picture",
    f"{CAMERA}    ignore: {{z: [[0, 0], [1, 0], [640, 480]]}}\n": "line 4: cameras.a.ignore.z: 640 is no share",
    f"{CAMERA}    ignore:\n      z: [0.5, 0, 0.1, 1]\n": "line 5: cameras.a.ignore.z: .*left below right and top below",
    f"{CAMERA}    ignore: {{z: [[0, 0], [1, 1]]}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: [[0, 0], [1, 1], [0]]}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: [[0, 0], [1, 1], 1, 1]}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: [0, 0, 1]}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: [0, 0, true, 1]}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: [0, 0, '1', 1]}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: everything}}\n": ZONE,
    f"{CAMERA}    ignore: {{z: }}\n": ZONE,
    f"{CAMERA}    ignore: [0, 0, 1, 1]\n": "line 4: cameras.a.ignore: write keys with values below it",
    "cameras:\n  a: rtsp://x\n": "line 2: cameras.a: write keys with values below it",
    f"{CAMERA}out: 3\n": "line 4: out: write a text, in quotes",
    f"{CAMERA}    threshold: 1\n    quantile: 0.4\n": "give one of threshold, quantile and alarms_per_hour",
    f"{CAMERA}    alarms_per_hour: -1\n": "line 4: cameras.a.alarms_per_hour: Input should be greater than 0",
    f"{CAMERA}    threshold: .nan\n": "finite number",
    "cameras:\n  'a/b': {source: x}": "'a/b' becomes a folder",
    f"{CAMERA}metrics: nowhere": "line 4: metrics: .*HOST:PORT",
    f"{CAMERA}time_zone: Europe/Nowhere": "line 4: time_zone: 'Europe/Nowhere' is no time zone",
    f"{CAMERA}time_zone: /etc/passwd": "is no time zone",
    "- a": "a configuration is a mapping",
    "a: [": "not a YAML file",
    "cameras: {}": "line 1: cameras: ",
    "": "a configuration is a mapping",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "watch.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=WRONG[text]) as told:
        load_config(path)
    assert str(path) in str(told.value) and "\n" not in str(told.value)
    assert not re.search("valid (dictionary|string|list)|instance of", str(told.value))


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="oddframe watch --example"):
        load_config("nowhere.yaml")


@pytest.mark.parametrize(
    ("line", "inside", "outside"),
    [
        ("mon-fri 18:00-06:00", ["2026-01-05 18:00", "2026-01-06 05:59", "2026-01-10 01:00"], ["2026-01-05 17:59", "2026-01-11 01:00", "2026-01-05 03:00"]),  # noqa: E501
        ("sat,sun", ["2026-01-10 00:00", "2026-01-11 23:59"], ["2026-01-12 00:00", "2026-01-09 23:59"]),
        ("22:00-05:00", ["2026-01-07 23:00", "2026-01-07 04:59"], ["2026-01-07 05:00", "2026-01-07 21:59"]),
        ("fri-mon 08:00-24:00", ["2026-01-09 08:00", "2026-01-12 23:59"], ["2026-01-13 09:00", "2026-01-09 07:59"]),
    ],
)  # fmt: skip
def test_hours_hold_what_they_say(line: str, inside: list[str], outside: list[str]) -> None:
    hours = hours_of(line)
    assert all(hours.holds(datetime.fromisoformat(moment)) for moment in inside)
    assert not any(hours.holds(datetime.fromisoformat(moment)) for moment in outside)


def test_a_timetable_goes_by_the_clocks_of_its_zone(tmp_path: Path) -> None:
    path = tmp_path / "watch.yaml"
    path.write_text(f"{CAMERA}    schedule: 12:00-13:00\ntime_zone: America/New_York\n")
    read = load_config(path)
    table = read.cameras["a"].timetable(read.time_zone)
    noon = datetime.fromisoformat("2026-01-07T12:30:00-05:00").timestamp()
    assert table.holds(noon) and not table.holds(noon - 5 * 3600)
    assert Timetable().holds(0.0)


def test_zones_hold_what_lies_inside() -> None:
    box = IgnoredPlace("clock", corners_of([0.0, 0.0, 0.5, 0.25]))
    assert box.holds(0.1, 0.1) and not box.holds(0.6, 0.1) and not box.holds(0.1, 0.3)
    corner = IgnoredPlace("corner", ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    assert corner.holds(0.2, 0.2) and not corner.holds(0.8, 0.8)
    bay = IgnoredPlace("bay", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.2), (0.0, 1.0)))  # open towards below
    assert bay.holds(0.1, 0.5) and bay.holds(0.9, 0.5) and not bay.holds(0.5, 0.6)
