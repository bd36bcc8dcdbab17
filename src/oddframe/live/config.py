"""The configuration of `oddframe watch`: a YAML file with cameras, and what happens on an event.

`watch.example.yaml` beside this file has every key with a comment. Paths are relative to the folder of the file. Errors
name the key, its line, and what may have been meant.
"""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, field_validator, model_validator

from oddframe.errors import InputError
from oddframe.live.rules import WEEK, Hours, Timetable
from oddframe.models.ignored import Corner, IgnoredPlace, corners_of
from oddframe.reading.guard import reading
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.reading.zones import time_zone as read_zone
from oddframe.suggest import among

EXAMPLE = Path(__file__).with_name("watch.example.yaml")
Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_HOURS = re.compile(r"(?:(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d))")
_NAME = re.compile(r"[\w. -]{1,64}")


class WatchPart(BaseModel):
    """A part of the configuration. Keys that do not exist are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookPart(WatchPart):
    """A webhook: notices go to `url` as JSON, signed with a secret.

    The secret stands in the environment variable `secret_env`, or else in `ODDFRAME_WEBHOOK_SECRET` if that is set.
    """

    url: str = Field(pattern=r"^https?://")
    secret_env: str | None = None


class MqttPart(WatchPart):
    """An MQTT broker. The password stands in the environment variable `password_env`."""

    host: str = Field(min_length=1)
    port: int = Field(1883, ge=1, le=65535)
    user: str | None = None
    password_env: str | None = None
    tls: bool = False
    prefix: str = "oddframe"
    home_assistant: bool = False


class EventPart(WatchPart):
    """What happens on an event."""

    webhook: WebhookPart | None = None
    mqtt: MqttPart | None = None
    command: str | None = None


class ClipPart(WatchPart):
    """Seconds that a clip shows before and after an event."""

    before: Annotated[float, Field(ge=0, le=600)] = 5.0
    after: Annotated[float, Field(ge=0, le=600)] = 5.0


class RecordPart(WatchPart):
    """Continuous recording, oldest first removed beyond so many days or gigabytes."""

    days: Above | None = None
    gigabytes: Above | None = None


class CameraPart(WatchPart):
    """One camera.

    Attributes:
        source: as on the command line; names in braces stand for environment variables.
        bundle: that watches it; None takes that of the file.
        ignore: name -> corners (x, y) of a place, in shares of the picture; see `corners_of`.
        schedule: when people want to be told: "mon-fri 18:00-06:00", "sat", "22:00-05:00".
    """

    source: str = Field(min_length=1)
    bundle: str | None = None
    as_live: bool = False
    ignore: dict[str, Annotated[tuple[Corner, ...], PlainValidator(corners_of)]] = {}
    schedule: tuple[str, ...] = ()
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    alarms_per_hour: Above | None = None
    runtime: str | None = None
    precision: str | None = None
    any_rate: bool = False
    record: bool | RecordPart = False

    @model_validator(mode="after")
    def _one_threshold(self) -> CameraPart:
        if sum(wish is not None for wish in (self.threshold, self.quantile, self.alarms_per_hour)) > 1:
            raise ValueError("give one of threshold, quantile and alarms_per_hour: each sets the threshold alone")
        return self

    @field_validator("schedule", mode="before")
    @classmethod
    def _hours(cls, schedule: Any) -> Any:
        lines = [schedule] if isinstance(schedule, str) else schedule
        for line in lines if isinstance(lines, list | tuple) else ():
            hours_of(str(line))
        return lines

    @property
    def zones(self) -> tuple[IgnoredPlace, ...]:
        """The places to ignore."""
        return tuple(IgnoredPlace(name, corners) for name, corners in self.ignore.items())

    def timetable(self, time_zone: str | None) -> Timetable:
        """When people want to be told, by the clocks of a time zone."""
        zone = None if time_zone is None else ZoneInfo(time_zone)
        return Timetable(tuple(hours_of(line) for line in self.schedule), zone)


class WatchConfig(WatchPart):
    """A checked configuration.

    Attributes:
        out: folder for everything that is kept; None keeps nothing.
        bundle: of cameras that name none.
        time_zone: of schedules, such as "Europe/Berlin"; None is the local time of the machine.
        store: an event store: "auto" for events.db in `out`, a file, or a URL.
        metrics: "HOST:PORT" at which Prometheus finds the metrics.
    """

    cameras: dict[str, CameraPart] = Field(min_length=1)
    out: str | None = None
    bundle: str | None = None
    time_zone: str | None = None
    store: str | None = None
    metrics: str | None = None
    on_event: EventPart = EventPart()
    clips: ClipPart = ClipPart()

    @field_validator("cameras")
    @classmethod
    def _names(cls, cameras: dict[str, CameraPart]) -> dict[str, CameraPart]:
        for name in cameras:
            check_camera_name(name)
        return cameras

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            read_zone(zone)
        return zone

    @field_validator("metrics")
    @classmethod
    def _metrics(cls, place: str | None) -> str | None:
        if place is not None:
            host_and_port(place)
        return place


def check_camera_name(name: str) -> None:
    """See to it that a camera has a name that files and topics can carry.

    Raises:
        ValueError: it has not.
    """
    if not _NAME.fullmatch(name) or not name.strip(" ."):
        raise ValueError(
            f"the camera name {name!r} becomes a folder: use at most 64 letters, digits, dots, dashes and underscores"
        )


def host_and_port(place: str) -> tuple[str, int]:
    """HOST:PORT as its two parts.

    Raises:
        ValueError: it is not of this form.
    """
    host, colon, port = place.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise ValueError(f"{place!r} is not HOST:PORT, such as 127.0.0.1:9090")
    return host.strip("[]"), int(port)


def hours_of(line: str) -> Hours:
    """Hours from "mon-fri 18:00-06:00", "sat,sun" or "22:00-05:00".

    Raises:
        ValueError: it is none of these forms.
    """
    words = line.lower().split(maxsplit=1)
    form = f"{line!r}: write days and hours such as 'mon-fri 18:00-06:00', 'sat,sun' or '22:00-05:00'"
    if not words:
        raise ValueError(form)
    days = range(7) if _HOURS.match(words[0]) else _days(words.pop(0), form)
    found = _HOURS.fullmatch("".join(words).replace(" ", "")) if words else None
    if words and found is None:
        raise ValueError(form)
    start, stop = (0, 0), (0, 0)
    if found is not None:
        numbers = [int(part) for part in found.groups()]
        start, stop = (numbers[0], numbers[1]), (numbers[2], numbers[3])
    if any(not (0 <= hour < 24 or (hour, minute) == (24, 0)) or minute > 59 for hour, minute in (start, stop)):
        raise ValueError(form)
    return Hours(frozenset(days), time(start[0] % 24, start[1]), time(stop[0] % 24, stop[1]))


def _days(text: str, form: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in WEEK or (dash and last not in WEEK):
            raise ValueError(form)
        start = WEEK.index(first)
        span = (WEEK.index(last) - start) % 7 if dash else 0
        found |= {(start + number) % 7 for number in range(span + 1)}
    return found


def load_config(path: str | Path) -> WatchConfig:
    """Read and check a configuration.

    Raises:
        InputError: there is no such file, it is not YAML, a key is unknown, or a value is impossible. The message names
            the key and its line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such configuration; oddframe watch --example prints one to start with")
    text = read_text(path)
    with reading(path, "not a YAML file", "correct it"):
        values = yaml_value(text)
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: a configuration is a mapping of keys to values, such as `cameras:` with a list below it"
        )
    try:
        return WatchConfig.model_validate(values)
    except ValidationError as error:
        found = [(one, _place(one["loc"])) for one in error.errors()]
        first, place = min(found, key=lambda one: (one[0]["type"] != "extra_forbidden", _line(text, one[1])))
        unknown = first["type"] == "extra_forbidden"
        what = f"there is no such key{_near(place)}" if unknown else _reason(first["type"], first["msg"])
        key = ".".join(str(part) for part in place)
        raise InputError(f"{path}, line {_line(text, place)}: {key}: {what}") from None


def _place(keys: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The keys that lead to a value; pydantic puts the kinds that it might have been between them."""
    return tuple(key for key in keys if not (isinstance(key, str) and re.search(r"[\[\]]|^(bool|RecordPart)$", key)))


_REASONS = {
    "missing": "it is missing",
    "dict_type": "write keys with values below it",
    "model_type": "write keys with values below it",
    "model_attributes_type": "write keys with values below it",
    "string_type": "write a text, in quotes where it looks like something else",
    "too_short": "there is nothing in it",
}


def _reason(kind: str, message: str) -> str:
    """What is wrong with a value, by the kind and the message of pydantic's error."""
    return _REASONS.get(kind, message.removeprefix("Value error, "))


def _near(place: tuple[int | str, ...]) -> str:
    """What an unknown key may have been meant to be."""
    part: Any = WatchConfig
    for key in place[:-1]:
        inner = part.model_fields[key].annotation if key in part.model_fields else part
        nested = [one for one in (inner, *get_args(inner)) if isinstance(one, type) and issubclass(one, WatchPart)]
        part = nested[0] if nested else part
    known = list(part.model_fields)
    return among(str(place[-1]), known)


def _line(text: str, place: tuple[int | str, ...]) -> int:
    """The line, from 1, of the value or key at a place of a YAML text, or of what holds it."""
    node, line = yaml.compose(text, yaml.SafeLoader), 0
    for key in place:
        if isinstance(node, yaml.MappingNode):
            found = [(name, value) for name, value in node.value if name.value == str(key)]
            if not found:
                break
            line, node = found[-1][0].start_mark.line, found[-1][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
    return int(line) + 1
