"""What people say of events: nothing is ever overwritten, the last mark counts, and undo takes it back."""

from __future__ import annotations

import itertools

import pytest
from found import notice
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oddframe.errors import StoreError
from oddframe.store.marking import last_that_counts
from oddframe.store.reading import EventMark, EventQuery
from oddframe.store.store import Store

WHAT = st.sampled_from(["normal", "abnormal", "unsure", "undo"])
FRESH = itertools.count(1000)


def standing(said: list[str]) -> list[str]:
    """Marks that were not taken back, by the plainest rule there is: look for the pairs and cross them out."""
    said = list(said)
    while "undo" in said:
        first = said.index("undo")
        del said[max(0, first - 1) : first + 1]
    return said


@given(st.lists(WHAT, max_size=12))
def test_the_last_mark_that_was_not_undone_counts(said: list[str]) -> None:
    counts = last_that_counts(EventMark(what, "me", str(number), 0.0) for number, what in enumerate(said))
    left = standing(said)
    assert (counts and counts.what) == (left[-1] if left else None)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([({0}, "normal", "\U0010f7ff"), ({1}, "unsure", "\0\U0010f7fe\u0801\U0010ffff")])
@given(st.lists(st.tuples(st.sets(st.integers(0, 2), min_size=1), WHAT, st.text(max_size=8)), max_size=8))
def test_the_store_follows_the_same_rule_for_every_event(store: Store, steps: list[tuple[set[int], str, str]]) -> None:
    numbers = [next(FRESH) for _ in range(3)]
    names = [f"{number:016x}" for number in numbers]
    store.tell([notice(number) for number in numbers])
    said: list[list[tuple[str, str]]] = [[], [], []]
    for events, what, note in steps:
        expected = [one for one in events if what != "undo" or standing([word for word, _ in said[one]])]
        assert store.mark([names[one] for one in events], what, "me", note) == len(expected)
        for one in expected:
            said[one].append((what, note))
    for name, own in zip(names, said, strict=True):
        assert [(mark.what, mark.note) for mark in store.marks(name)] == own, "every mark stays"
        left, event = standing([what for what, _ in own]), store.event(name)
        assert event.mark == (left[-1] if left else None)
        assert (event.marked_by is None) == (event.marked_utc is None) == (event.note is None) == (not left)


def test_marked_events_come_last_and_come_back_when_the_mark_is_undone(store: Store) -> None:
    store.tell([notice(number) for number in range(3)])
    first, second, third = (f"{number:016x}" for number in (2, 1, 0))

    def order() -> list[str]:
        return [event.id for event in store.events()]

    assert order() == [first, second, third], "the farthest above the threshold first"
    store.mark(first, "normal", "ann", "a cat")
    assert order() == [second, third, first]
    assert (store.event(first).marked_by, store.event(first).note) == ("ann", "a cat")
    store.mark([first, second], "undo", "bob")
    assert order() == [first, second, third] and [mark.who for mark in store.marks(first)] == ["ann", "bob"]
    assert store.marks(second) == [], "there was nothing to undo"


def test_several_events_are_marked_together_or_not_at_all(store: Store) -> None:
    store.tell([notice(number) for number in range(600)])
    names = [f"{number:016x}" for number in range(600)]
    with pytest.raises(StoreError, match=r"there is no event 'nothing'; nothing was marked"):
        store.mark([*names, "nothing"], "normal")
    assert store.count(EventQuery(mark="none")) == 600 and not store.marks(names[0])
    assert store.mark([*names, names[0]], "abnormal") == 600 == store.count(EventQuery(mark="abnormal"))
    assert len(store.marks(names[0])) == 1, "named twice, marked once"


@pytest.mark.parametrize(
    ("what", "who", "note", "message"),
    [
        ("bad", "me", "", r"no mark 'bad'; there are: normal, abnormal, unsure, undo"),
        ("normal", " ", "", "needs the name"),
        ("normal", "me", "x" * 4001, "4001 letters; write at most 4000"),
    ],
)
def test_what_is_no_mark_is_refused(store: Store, what: str, who: str, note: str, message: str) -> None:
    store.tell([notice(1)])
    with pytest.raises(StoreError, match=message):
        store.mark(f"{1:016x}", what, who, note)
    assert store.marks(f"{1:016x}") == []


def test_a_mark_bears_the_name_of_the_user(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carla")
    store.tell([notice(1)])
    store.mark(f"{1:016x}", "unsure")
    assert store.event(f"{1:016x}").marked_by == "carla"
