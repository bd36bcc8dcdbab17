"""What the files of a bundle say of it, without its weights and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oddframe.bundle import CALIBRATION, META, WEIGHTS, TrainingData
from oddframe.errors import BundleError
from oddframe.reading.guard import reading
from oddframe.reading.records import check_types, read_object
from oddframe.reading.tables import read_text
from oddframe.scoring.calibrate import Calibration


@dataclass(frozen=True)
class BundleFacts:
    """The records of a bundle.

    Attributes:
        id: of the bundle.
        recipe: all of it, as plain values; "model" and "name" are always there.
        data: what it learned from.
        history: of its training.
        made_utc: when it was written, in seconds since 1970.
        calibration: None where it has no threshold yet.
    """

    id: str
    recipe: dict[str, Any]
    data: TrainingData
    history: dict[str, Any]
    made_utc: float
    calibration: Calibration | None

    @property
    def threshold(self) -> float | None:
        """None where it has none yet."""
        return None if self.calibration is None else self.calibration.threshold

    @property
    def promise(self) -> str:
        """What the threshold promises; empty without one."""
        return "" if self.calibration is None else self.calibration.sentence()


def is_bundle(path: Path) -> bool:
    """Whether a folder holds the records and the weights of a bundle."""
    return (path / META).is_file() and (path / WEIGHTS).is_file()


def facts_of(path: Path) -> BundleFacts:
    """What the files of a bundle say of it.

    Raises:
        BundleError: it is damaged.
    """
    with reading(path / META, "damaged bundle", "train or copy it again", BundleError):
        meta = read_object(read_text(path / META))
        check_types(meta, {"id": str, "recipe": dict[str, Any], "data": dict[str, Any], "history": dict[str, Any]})
        data = TrainingData.parse({"version": meta["versions"]["oddframe"], **meta["data"]})
        recipe = {**meta["recipe"], "model": str(meta["recipe"]["model"]), "name": str(meta["recipe"]["name"])}
    calibration = None
    if (path / CALIBRATION).is_file():
        calibration = Calibration.from_json(read_text(path / CALIBRATION), path / CALIBRATION)
    return BundleFacts(meta["id"], recipe, data, meta["history"], (path / META).stat().st_mtime, calibration)


def iso_utc(made_utc: float) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(made_utc, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
