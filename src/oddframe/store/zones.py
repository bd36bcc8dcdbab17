"""Places to ignore in what a camera sees."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from oddframe.errors import StoreError, StoreMissing
from oddframe.store.recording import camera_number
from oddframe.store.tables import BundleRow, CameraRow, ZoneRow

MOST_CORNERS = 100


@dataclass(frozen=True)
class StoredZone:
    """A place to ignore.

    Attributes:
        corners: (x, y) of a polygon, in shares of width and height, 0..1 from the left top; three or more.
        who: drew it.
        camera: its name; or None where the zone belongs to a bundle, which looks at files of one camera.
        bundle: its id, or None.
        note: for people.

    Raises:
        StoreError: a value is not as described here.
    """

    corners: tuple[tuple[float, float], ...]
    who: str
    camera: str | None = None
    bundle: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not 3 <= len(self.corners) <= MOST_CORNERS:
            raise StoreError(f"a zone has {len(self.corners)} corners; give 3 to {MOST_CORNERS}")
        if not all(len(corner) == 2 and all(0 <= value <= 1 for value in corner) for corner in self.corners):
            raise StoreError("the corners of a zone are shares of width and height: give pairs of numbers from 0 to 1")
        if (self.camera is None) == (self.bundle is None):
            raise StoreError("a zone belongs to a camera or to a bundle: name one of them")


def add_zone(session: Session, zone: StoredZone) -> int:
    """Write a zone, and return its number.

    Raises:
        StoreError: the store does not know the bundle.
    """
    if zone.bundle is not None and session.get(BundleRow, zone.bundle) is None:
        raise StoreMissing(f"there is no bundle {zone.bundle!r} in the store")
    row = {
        "camera_id": None if zone.camera is None else camera_number(session, zone.camera), "bundle_id": zone.bundle,
        "corners": [list(corner) for corner in zone.corners], "who": zone.who, "note": zone.note,
        "since_utc": time.time(),
    }  # fmt: skip
    return session.execute(insert(ZoneRow).returning(ZoneRow.id), row).scalar_one()


def end_zone(session: Session, number: int) -> None:
    """Let a zone hold no longer.

    Raises:
        StoreError: there is none of this number that holds.
    """
    holds = update(ZoneRow).where(ZoneRow.id == number, ZoneRow.until_utc.is_(None))
    if session.execute(holds.values(until_utc=time.time()).returning(ZoneRow.id)).one_or_none() is None:
        raise StoreMissing(f"there is no zone {number} that holds")


def zones_of(session: Session, camera: str | None, bundle: str | None) -> dict[int, StoredZone]:
    """The zones that hold, by their numbers."""
    wanted = select(ZoneRow, CameraRow.name).outerjoin(CameraRow, ZoneRow.camera_id == CameraRow.id)
    wanted = wanted.where(ZoneRow.until_utc.is_(None))
    if camera is not None:
        wanted = wanted.where(CameraRow.name == camera)
    if bundle is not None:
        wanted = wanted.where(ZoneRow.bundle_id == bundle)
    found = {}
    for row, name in session.execute(wanted.order_by(ZoneRow.id)):
        corners = tuple((float(x), float(y)) for x, y in row.corners)
        found[row.id] = StoredZone(corners, row.who, name, row.bundle_id, row.note)
    return found
