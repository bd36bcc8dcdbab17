"""Marks of people. They are added and never changed; which of them counts follows from their order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from oddframe.errors import StoreError, StoreMissing
from oddframe.store.reading import EventMark
from oddframe.store.tables import EventRow, MarkRow

MARKS = ("normal", "abnormal", "unsure", "undo")
LONGEST_NOTE = 4000  # letters
_TOGETHER = 500  # events of one statement


def last_that_counts(marks: Iterable[EventMark]) -> EventMark | None:
    """The mark that counts: the last one that was not undone. Every undo takes back one mark."""
    standing: list[EventMark] = []
    for mark in marks:
        if mark.what != "undo":
            standing.append(mark)
        elif standing:
            standing.pop()
    return standing[-1] if standing else None


def check_mark(what: str, who: str, note: str) -> None:
    """See that a mark can be written.

    Raises:
        StoreError: it cannot.
    """
    if what not in MARKS:
        raise StoreError(f"there is no mark {what!r}; there are: {', '.join(MARKS)}")
    if not who.strip():
        raise StoreError("a mark needs the name of who makes it")
    if max(len(who), len(note)) > LONGEST_NOTE:
        raise StoreError(f"the note has {max(len(who), len(note))} letters; write at most {LONGEST_NOTE}")


def add_marks(session: Session, names: Sequence[str], mark: EventMark, of_utc: float | None = None) -> int:
    """Mark events, in the transaction of the session: all of them or none.

    Args:
        of_utc: "undo" takes back marks of this moment alone, to the millisecond; None: whichever counts.

    Returns:
        How many were marked. "undo" passes over events of which no mark counts, or another one.

    Raises:
        StoreError: one of the events does not exist.
    """
    wanted, marked = sorted(set(names)), 0  # in one order everywhere, so that no two wait for each other
    for start in range(0, len(wanted), _TOGETHER):
        part = wanted[start : start + _TOGETHER]
        held = select(EventRow.id).where(EventRow.id.in_(part)).order_by(EventRow.id).with_for_update()
        there = set(session.scalars(held))
        missing = sorted(set(part) - there)
        if missing:
            raise StoreMissing(f"there is no event {missing[0]!r}; nothing was marked")
        made: dict[str, list[EventMark]] = {name: [] for name in part}
        before = select(MarkRow.event_id, MarkRow.what, MarkRow.who, MarkRow.note, MarkRow.at_utc)
        for row in session.execute(before.where(MarkRow.event_id.in_(part)).order_by(MarkRow.id)):
            made[row[0]].append(EventMark(*row[1:]))
        if mark.what == "undo":
            made = {name: marks for name, marks in made.items() if _takes_back(last_that_counts(marks), of_utc)}
        if made:
            _add(session, made, mark)
        marked += len(made)
    return marked


def _takes_back(counts: EventMark | None, of_utc: float | None) -> bool:
    """Whether an undo of the mark of a moment takes back the mark that counts."""
    return counts is not None and (of_utc is None or abs(counts.at_utc - of_utc) <= 1e-3)


def _add(session: Session, made: dict[str, list[EventMark]], mark: EventMark) -> None:
    """Add a mark to the marks of these events, and note with each event which of them counts."""
    new = {"what": mark.what, "who": mark.who, "note": mark.note, "at_utc": mark.at_utc}
    session.execute(insert(MarkRow), [{"event_id": name, **new} for name in made])
    now = time.time()
    alike: dict[EventMark | None, list[str]] = {}
    for name, marks in made.items():
        alike.setdefault(last_that_counts([*marks, mark]), []).append(name)
    for counts, names in alike.items():
        said = {
            "reviewed": int(counts is not None), "changed_utc": now,
            "mark": counts and counts.what, "marked_by": counts and counts.who, "marked_utc": counts and counts.at_utc,
            "note": counts and counts.note,
        }  # fmt: skip
        session.execute(update(EventRow).where(EventRow.id.in_(names)).values(marks=EventRow.marks + 1, **said))
