"""When a source is tried again, what is told of its states, and what becomes of messages that nobody takes."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import numpy as np
import pytest
from patience import PATIENCE, until
from rtsp_server import free_port

from oddframe.live import states
from oddframe.live.address import Address
from oddframe.live.mailbox import Mailbox
from oddframe.live.messages import Arrived, Begun, Ended
from oddframe.live.states import Retry, SourceState, StateChange
from oddframe.types import VideoInfo
from oddframe.video.decode import Frame


class Listening:
    """Something that answers whatever is said to it, or is silent."""

    def __init__(self, port: int = 0, silent: bool = False) -> None:
        self.silent = silent
        self.asked: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                other, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(other,), daemon=True).start()

    def _answer(self, other: socket.socket) -> None:
        with other:
            self.asked.append(other.recv(1000))
            while self.silent:
                time.sleep(0.02)
            other.sendall(b"RTSP/1.0 200 OK\r\n\r\n")

    def close(self) -> None:
        self.silent = False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def waiting(retry: Retry, tries: int, refused: bool = False) -> tuple[threading.Thread, threading.Event, list[float]]:
    """A wait before the next try after so many others, and the seconds that it took."""
    stop, took = threading.Event(), []
    retry._tries = tries

    def wait() -> None:
        begun = time.monotonic()
        retry.wait(begun, refused, stop)
        took.append(time.monotonic() - begun)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread, stop, took


def test_a_camera_that_is_back_is_tried_at_once_however_long_it_was_away() -> None:
    port = free_port()
    retry = Retry(Address.parse(f"rtsp://joe:s3cret@127.0.0.1:{port}/x"))
    thread, _, took = waiting(retry, 10)
    time.sleep(0.3)
    listening = Listening(port)
    try:
        thread.join(PATIENCE)
        assert took and took[0] < 15  # and not twenty at least
        assert listening.asked and not any(b"s3cret" in each or b"joe" in each for each in listening.asked)
        assert retry._tries == 0  # it may need a moment yet, and is not left alone for half a minute
    finally:
        listening.close()


def test_a_camera_that_stands_still_is_tried_as_soon_as_it_goes_on() -> None:
    listening = Listening(silent=True)
    try:
        thread, _, took = waiting(Retry(Address.parse(f"rtsp://127.0.0.1:{listening.port}/x")), 10)
        until(lambda: listening.asked)
        time.sleep(1)
        assert not took
        listening.silent = False
        thread.join(PATIENCE)
        assert took and took[0] < 15
    finally:
        listening.close()


@pytest.mark.parametrize("refused", [False, True])
def test_a_camera_that_answers_and_refuses_is_not_hurried_and_a_stop_ends_the_wait(refused: bool) -> None:
    listening = Listening()
    try:
        thread, stop, took = waiting(
            Retry(Address.parse(f"rtsp://127.0.0.1:{listening.port}/x")), 0 if refused else 10, refused
        )
        until(lambda: listening.asked)
        time.sleep(1.5)
        assert not took
        assert len(listening.asked) == 1
        stop.set()
        thread.join(PATIENCE)
        assert took
    finally:
        listening.close()


def test_delays_double_from_half_a_second_to_thirty_and_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[float] = []
    monkeypatch.setattr(states, "_returns", lambda address, end, stop: ends.append(end))
    retry = Retry(Address.parse("test:"))
    for _ in range(9):
        retry.wait(0.0, False, threading.Event())
    for end, delay in zip(ends, [0.5, 1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert 0.75 * delay <= end <= 1.25 * delay
    retry.reset()
    retry.wait(0.0, False, threading.Event())
    retry.wait(0.0, True, threading.Event())
    assert ends[-2] < 0.7 and ends[-1] > 20


def test_each_change_is_told_once_and_nothing_leads_out_of_stopped() -> None:
    told: list[StateChange] = []
    state = SourceState("gate", told.append)
    assert state.state == "connecting" and not told
    state.set("connecting", "opens")
    state.set("connecting", "opens")
    state.packet()
    state.set("running", "pictures")
    state.limit = 0.05
    until(lambda: state.state == "stalled")
    state.limit = 60.0
    state.packet()
    state.set("stopped", "stopped")
    state.set("running", "pictures")
    assert [each.state for each in told] == ["connecting", "running", "stalled", "running", "stopped"]
    assert {each.camera for each in told} == {"gate"}


def test_who_is_told_may_read_the_state_and_change_it() -> None:
    told: list[str] = []

    def tell(change: StateChange) -> None:
        told.append(change.state)
        if change.state == "running":
            state.set("stopped", "enough")
        threading.Thread(target=lambda: told.append(f"read {state.state}")).start()
        until(lambda: told[-1].startswith("read"))

    state = SourceState("gate", tell)
    state.packet()
    state.set("running", "pictures")
    assert told == ["running", "read stopped", "stopped", "read stopped"]


def test_a_stall_that_nobody_has_looked_for_is_told_with_the_packet_that_ends_it() -> None:
    told: list[StateChange] = []
    state = SourceState("gate", told.append)
    state.packet()
    state.set("running", "pictures")
    state.limit = 0.01
    time.sleep(0.05)
    state.packet()
    assert [each.state for each in told] == ["running", "stalled", "running"]


def frame(number: int) -> Arrived:
    return Arrived(Frame(number, number / 10, np.zeros((2, 2, 3), np.uint8)), 0.0, 0.0)


BEGUN = Begun(VideoInfo("gate", "test:", 2, 2, 10.0), 0.0)


def all_of(box: Mailbox) -> list[Any]:
    found = []
    while (message := box.take(0)) is not None:
        found.append(message)
    return found


def test_a_full_box_drops_all_frames_and_keeps_what_frames_them() -> None:
    box = Mailbox(3)
    assert box.put(BEGUN) and all(box.put(frame(number)) for number in range(3))
    assert not box.put(frame(3))
    assert box.drop("slow", 1) == 4
    begun, ended = all_of(box)
    assert begun is BEGUN and (ended.why, ended.dropped) == ("dropped", 4)
    assert box.frames == 0


def test_stretches_that_nobody_saw_are_one_loss_however_many_they_are() -> None:
    box = Mailbox(2)
    total = 0
    for _ in range(100):
        box.put(BEGUN)
        box.put(frame(0))
        box.put(frame(1))
        total += box.drop("slow", 3)
    messages = all_of(box)
    assert [type(each) for each in messages] == [Begun, Ended]
    assert messages[1].dropped == total == 500


def test_a_closed_box_ends_the_stretch_and_holds_nobody_up() -> None:
    box = Mailbox(1)
    box.put(BEGUN)
    box.put(frame(0))
    blocked = threading.Thread(target=lambda: box.put(frame(1), wait=True), daemon=True)
    blocked.start()
    box.close("stopped")
    blocked.join(PATIENCE)
    assert not blocked.is_alive()
    assert [type(each) for each in all_of(box)] == [Begun, Arrived, Ended]
    assert box.put(frame(2)) and box.finished
