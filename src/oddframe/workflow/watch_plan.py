"""What is to be watched: a plan from the arguments of a call, from a configuration, or from both.

A plan is whole: bundles are loaded, addresses and thresholds are right, and secrets are there. Nothing runs yet.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from oddframe.errors import InputError
from oddframe.live.address import Address
from oddframe.live.clips import ClipOptions
from oddframe.live.config import CameraPart, RecordPart, WatchConfig, check_camera_name, load_config
from oddframe.live.limits import KeepLimits
from oddframe.live.metrics import host_and_port
from oddframe.live.recording import RecordOptions
from oddframe.live.rules import CameraRules
from oddframe.live.sinks.command import CommandOptions, check_command
from oddframe.live.sinks.mqtt import MqttOptions, check_mqtt
from oddframe.live.sinks.webhook import WebhookOptions, check_webhook
from oddframe.runtime.runtime import AUTO, RuntimeOptions
from oddframe.scoring.open_scorer import as_exported, score_identity, window_signature
from oddframe.scoring.schedule import Schedule
from oddframe.scoring.sentinel_reference import load_reference
from oddframe.store.place import AUTO as AUTO_STORE
from oddframe.store.place import StorePlace, store_place
from oddframe.types import IgnoredPlace
from oddframe.video.sources import VideoSource
from oddframe.workflow.began import NAME_IT, with_starts
from oddframe.workflow.run import Run, load_run

SIGNED_BY = "ODDFRAME_WEBHOOK_SECRET"  # the variable of the environment that signs webhooks


@dataclass(frozen=True)
class WatchOptions:
    """How cameras are watched, and who is told.

    Attributes:
        names: of the cameras, in the order of the sources; empty numbers them.
        as_live: play files at the pace of their time stamps.
        alarms_per_hour, quantile, threshold: of all cameras that do not set their own; see `Run.calibration`.
        runtime: runtime, precision, device; and `any_rate`.
        metrics: "HOST:PORT" for Prometheus.
        webhook, mqtt: URLs.
        command: is run for every event.
        record: keep all of the video of the sources that the call gives.
        clips: how clips are cut.
        store: an event store for the events: "auto" for events.db in the output folder, a file, or a URL.
        ignore: places where nobody wants to be told of anything, of the sources that the call gives.
    """

    names: Sequence[str] = ()
    as_live: bool = False
    alarms_per_hour: float | None = None
    quantile: float | None = None
    threshold: float | None = None
    runtime: RuntimeOptions = RuntimeOptions()
    metrics: str | None = None
    webhook: str | None = None
    mqtt: str | None = None
    command: str | None = None
    record: bool = False
    clips: ClipOptions = ClipOptions()
    store: str | None = None
    ignore: Sequence[IgnoredPlace] = ()


@dataclass(frozen=True)
class CameraPlan:
    """One camera.

    Attributes:
        run: the detector.
        recording: None keeps no video.
    """

    address: Address
    run: Run
    rules: CameraRules
    runtime: RuntimeOptions
    recording: RecordOptions | None = None

    @property
    def name(self) -> str:
        """Of the camera."""
        return self.rules.name

    @property
    def group(self) -> tuple[Path, RuntimeOptions, str]:
        """Cameras of one group have the same network, which leaves the same places out."""
        return self.run.path.resolve(), self.runtime, self.rules.bundle


@dataclass(frozen=True)
class WatchPlan:
    """All that is to be watched, and who is told."""

    cameras: tuple[CameraPlan, ...]
    out: Path | None = None
    metrics: str | None = None
    webhook: WebhookOptions | None = None
    mqtt: MqttOptions | None = None
    command: CommandOptions | None = None
    clips: ClipOptions = field(default_factory=ClipOptions)
    store: StorePlace | None = None


def make_plan(
    run: Run | str | Path | None,
    sources: Sequence[str | Path],
    out: str | Path | None,
    config: str | Path | None,
    options: WatchOptions,
) -> WatchPlan:
    """The plan of a call. What the call gives comes before what the configuration says.

    Raises:
        InputError: there is nothing to watch or nothing to watch with, or something is wrong with an address, a name,
            a threshold or a sink.
        BundleError: there is no such bundle.
        RecipeError: a detector is weakly supervised.
        CalibrationError: a bundle has no thresholds.
    """
    read = None if config is None else load_config(config)
    folder = Path() if config is None else Path(config).parent
    parts: list[tuple[str, CameraPart, Path]] = []
    if read is not None:
        parts += [(name, part, folder) for name, part in read.cameras.items()]
    parts += [(name, _part(source, options), Path()) for name, source in _named(sources, options.names)]
    if not parts:
        raise InputError("there is no source to watch; give one, such as rtsp://HOST/PATH, usb:0, a file or test:")
    repeated = {name for name, _, _ in parts if [other for other, _, _ in parts].count(name) > 1}
    if repeated:
        raise InputError(f"two cameras have the name {min(repeated)}; give each its own with --name")
    default = None if read is None or read.bundle is None else folder / read.bundle
    zone = None if read is None else read.time_zone
    shared = _Shared(_Runs(run), default, options, zone)
    cameras = tuple(shared.camera(name, part, place) for name, part, place in parts)
    place = Path(out) if out is not None else None if read is None or read.out is None else folder / read.out
    plan = _with_sinks(WatchPlan(cameras, place), read, options)
    if options.store is not None:
        return replace(plan, store=_store(options.store, plan.out, Path()))
    return plan if read is None or read.store is None else replace(plan, store=_store(read.store, plan.out, folder))


class _Runs:
    """The bundles of a plan, each loaded once."""

    def __init__(self, given: Run | str | Path | None) -> None:
        self.given = given
        self._loaded: dict[Path, Run] = {}

    def of(self, path: Path | None) -> Run:
        """The run in a folder; None is the one that the call gives."""
        if isinstance(self.given, Run):
            return self.given
        place = Path(self.given) if self.given is not None else path
        if place is None:
            raise InputError("there is no bundle to watch with; name one as RUN, or as `bundle` in the configuration")
        if place not in self._loaded:
            self._loaded[place] = load_run(place)
        return self._loaded[place]


def _named(sources: Sequence[str | Path], names: Sequence[str]) -> list[tuple[str, str]]:
    if names and len(names) != len(sources):
        raise InputError(f"{len(names)} names for {len(sources)} sources; give --name once for each source, in order")
    made = names or [f"camera{number}" if len(sources) > 1 else "camera" for number in range(1, len(sources) + 1)]
    for name in made:
        try:
            check_camera_name(name)
        except ValueError as error:
            raise InputError(str(error)) from None
    return list(zip(made, map(str, sources), strict=True))


def _part(source: str, options: WatchOptions) -> CameraPart:
    try:
        source.encode()
    except UnicodeEncodeError:
        plain = "" if "://" in source else f"{source.encode(errors='backslashreplace').decode()}: "
        raise InputError(f"{plain}the name of a source is not UTF-8; rename the file, or give a link to it") from None
    ignore = {place.name: place.corners for place in options.ignore}
    return CameraPart(source=source, as_live=options.as_live, record=options.record, ignore=ignore)


@dataclass(frozen=True)
class _Shared:
    """What the cameras of a plan have in common: bundles, what they do not set themselves, and the time zone."""

    runs: _Runs
    default: Path | None
    options: WatchOptions
    zone: str | None

    def camera(self, name: str, part: CameraPart, folder: Path) -> CameraPlan:
        """The plan of one camera; paths are relative to `folder`."""
        run = self.runs.of(self.default if part.bundle is None else folder / part.bundle)
        run = run.ignoring(part.zones)
        signature = window_signature(run.bundle)
        wishes = {"threshold": part.threshold, "quantile": part.quantile, "alarms_per_hour": part.alarms_per_hour}
        if all(wish is None for wish in wishes.values()):
            wishes = {key: getattr(self.options, key) for key in wishes}
        calibration = run.calibration(**wishes)
        rule, address = run.rule_under(calibration), _address(part, folder)
        runtime = _runtime(part, self.options.runtime, run)
        learned = run.bundle.data.frame_rate if signature.paced and not runtime.any_rate else None
        rules = CameraRules(
            name, score_identity(run.bundle, runtime, rule), signature, rule, calibration, learned,
            () if run.masks else part.zones, part.timetable(self.zone), load_reference(run.path),
            run.drift_reference(rule), run.bundle.data.taught, _began(name, address, rule.schedule),
        )  # fmt: skip
        return CameraPlan(address, run, rules, runtime, _recording(part.record))


def _runtime(part: CameraPart, given: RuntimeOptions, run: Run) -> RuntimeOptions:
    made = RuntimeOptions.parse(
        part.runtime or given.runtime, part.precision or given.precision, given.device, given.batch,
        part.any_rate or given.any_rate,
    )  # fmt: skip
    if made.runtime == AUTO:
        raise InputError("auto compares runtimes on video files; name the one to watch with: torch, onnx or openvino")
    as_exported(run.bundle, made)
    return made


def _address(part: CameraPart, folder: Path) -> Address:
    source = part.source
    relative = "://" not in source and not source.startswith(("usb:", "test:", "/", "{"))
    return Address.parse(str(folder / source) if relative else source, part.as_live)


def _began(name: str, address: Address, schedule: Schedule | None) -> float | None:
    """When a file was taken, where the clock chooses among calibrations; None for cameras."""
    if address.kind != "file":
        return None
    (source,) = with_starts([VideoSource(name, Path(address.url), "file")], schedule, NAME_IT)
    return source.began


def _recording(wish: bool | RecordPart) -> RecordOptions | None:
    if isinstance(wish, RecordPart):
        return RecordOptions(limits=KeepLimits(wish.days, wish.gigabytes))
    return RecordOptions() if wish else None


def _with_sinks(plan: WatchPlan, read: WatchConfig | None, options: WatchOptions) -> WatchPlan:
    """The plan with those who are told."""
    webhook = None if options.webhook is None else WebhookOptions(options.webhook, _secret(SIGNED_BY))
    mqtt = None if options.mqtt is None else MqttOptions(options.mqtt)
    command = None if options.command is None else CommandOptions(options.command)
    metrics, clips = options.metrics, options.clips
    if read is not None:
        event = read.on_event
        if webhook is None and event.webhook is not None:
            named = event.webhook.secret_env
            secret = _secret(SIGNED_BY) if named is None else _needed(named, "webhook.secret_env")
            webhook = WebhookOptions(event.webhook.url, secret)
        if mqtt is None and event.mqtt is not None:
            password = event.mqtt.password_env and _needed(event.mqtt.password_env, "mqtt.password_env")
            user = quote(event.mqtt.user or "", safe="") + (f":{quote(password, safe='')}" if password else "")
            scheme = "mqtts" if event.mqtt.tls else "mqtt"
            url = f"{scheme}://{user}{'@' if user else ''}{event.mqtt.host}:{event.mqtt.port}"
            mqtt = MqttOptions(url, prefix=event.mqtt.prefix, home_assistant=event.mqtt.home_assistant)
        if command is None and event.command is not None:
            command = CommandOptions(event.command, given="on_event.command")
        metrics = metrics or read.metrics
        clips = replace(clips, before=read.clips.before, after=read.clips.after)
    if webhook is not None:
        check_webhook(webhook)
    if mqtt is not None:
        check_mqtt(mqtt)
    if command is not None:
        check_command(command)
    if metrics is not None:
        host_and_port(metrics)
    if plan.out is None and webhook is not None:
        raise InputError("a webhook keeps what it has not sent yet in the output folder; give one with --out")
    if plan.out is None and any(camera.recording for camera in plan.cameras):
        raise InputError("recordings go into the output folder; give one with --out")
    return replace(plan, webhook=webhook, mqtt=mqtt, command=command, metrics=metrics, clips=clips)


def _store(store: str, out: Path | None, folder: Path) -> StorePlace:
    """The place of the event store; a relative path is one from `folder`."""
    if out is None:
        raise InputError("an event store needs an output folder, where notices wait for it; give one with --out")
    relative = store != AUTO_STORE and "://" not in store
    return store_place(folder / store if relative else store, out)


def _secret(name: str) -> str:
    return os.environ.get(name, "")


def _needed(name: str, key: str) -> str:
    """The value of an environment variable.

    Raises:
        InputError: it is not set.
    """
    value = _secret(name)
    if not value:
        raise InputError(f"on_event.{key}: the environment variable {name} is not set; set it, or leave the key out")
    return value
