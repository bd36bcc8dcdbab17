"""Lists: what is asked for, nothing else, each event once, in the order that was asked for."""

from __future__ import annotations

import pytest
from found import NOON, notice, scores, trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oddframe.errors import StoreError
from oddframe.store.reading import EventQuery, StoredEvent
from oddframe.store.store import Store

KINDS = ["anomaly", "gap", "moved"]
OTHERS = ("unsure", "normal", "abnormal", None)


@pytest.fixture
def full(store: Store) -> Store:
    """Live events of two cameras and of all kinds, two scored videos, and marks."""
    for number in range(24):
        kind = KINDS[number % 5] if number % 5 < 3 else "anomaly"
        score = None if kind != "anomaly" else 5.0 + number * 7 % 5  # some of them equal
        change = "closed" if number % 2 else "opened"
        store.tell([notice(number, change, camera=("front", "back")[number % 2], kind=kind, score=score)])
    curve = [0, 5, 0, 0, 0, 9, 9, 0, 0, 0, 7, 0]
    store.record_scores(trained(), scores({"01": curve, "02": [0, 0, *curve]}))
    for place, event in enumerate(store.events(limit=30)):
        if OTHERS[place % 4]:
            store.mark(event.id, OTHERS[place % 4] or "", "ann")
    return store


def fits(event: StoredEvent, query: EventQuery) -> bool:
    wanted = [
        query.camera in (None, event.camera),
        query.video in (None, event.video),
        query.kind in (None, event.kind),
        query.mark is None
        or {"none": event.mark is None, "any": event.mark is not None}.get(query.mark, event.mark == query.mark),
        query.since is None or (event.end_utc is not None and event.end_utc >= query.since),
        query.until is None or (event.start_utc is not None and event.start_utc < query.until),
    ]
    return all(wanted)


def place(event: StoredEvent, query: EventQuery) -> tuple[object, ...]:
    if query.order == "rank":
        return event.mark is not None, -(event.above or 0.0), event.id
    return event.video or "", event.start_s if event.start_utc is None else event.start_utc, event.id


QUERIES = st.builds(
    EventQuery,
    camera=st.sampled_from([None, None, "front", "back", "side"]),
    video=st.sampled_from([None, None, None, "01", "02"]),
    kind=st.sampled_from([None, None, *KINDS, "dark"]),
    mark=st.sampled_from([None, None, "none", "any", "normal", "abnormal", "unsure"]),
    since=st.one_of(st.none(), st.none(), st.integers(-2, 26).map(lambda minute: NOON + 60 * minute + 2)),
    until=st.one_of(st.none(), st.none(), st.integers(-2, 26).map(lambda minute: NOON + 60 * minute)),
    order=st.sampled_from(["rank", "time"]),
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, limit=st.integers(1, 40))
def test_a_query_finds_what_a_loop_over_all_events_finds(full: Store, query: EventQuery, limit: int) -> None:
    wanted = sorted((event for event in full.every() if fits(event, query)), key=lambda event: place(event, query))
    assert full.count(query) == len(wanted)
    found: list[StoredEvent] = []
    while page := full.events(query, limit, found[-1].id if found else None):
        assert len(page) <= limit
        found += page
    assert [event.id for event in found] == [event.id for event in wanted]
    assert list(full.every(query)) == found


def test_marking_a_page_leaves_out_nothing_of_the_next_one(full: Store) -> None:
    left = {event.id for event in full.every(EventQuery(mark="none"))}
    seen: set[str] = set()
    while page := full.events(EventQuery(mark="none"), 2):
        seen |= {event.id for event in page}
        full.mark([event.id for event in page], "normal", "ann")
    assert seen == left and full.count(EventQuery(mark="none")) == 0


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda store: store.events(after="nothing"), "no event 'nothing' after which"),
        (lambda store: store.events(limit=0), "a page of 0 events"),
        (lambda store: store.event("nothing"), "there is no event 'nothing'"),
        (lambda store: EventQuery(mark="bad"), "no mark 'bad'; there are: none, any, normal, abnormal, unsure"),
        (lambda store: EventQuery(order="size"), "sorted by 'size'; write rank or time"),
    ],
)
def test_what_cannot_be_listed_is_named(store: Store, ask: object, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        ask(store)


def test_json_has_moments_in_utc_and_short_figures(store: Store) -> None:
    store.tell([notice(0, score=5.123456789, why={"a": 3.14159})])
    row = store.event("0" * 16).as_json()
    assert row["start_utc"] == "2026-12-01T12:00:00.000Z" and row["marked_utc"] is None
    assert (row["score"], row["above"], row["why"]) == (5.123457, 1.123457, {"a": 3.14})
