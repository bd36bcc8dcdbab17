"""The messages of one source that wait for the scoring loop, and what happens when they become too many."""

from __future__ import annotations

import threading
import time
from collections import deque

from oddframe.live.messages import Arrived, Begun, Ended, Message


class Mailbox:
    """A bounded queue of messages from one thread to another.

    Args:
        capacity: frames that may wait.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._messages: deque[Message] = deque()
        self._frames = 0
        self._open = False  # whether a stretch has begun and not ended
        self._closed = False
        self._changed = threading.Condition()

    @property
    def frames(self) -> int:
        """Frames that wait."""
        return self._frames

    def put(self, message: Message, wait: bool = False) -> bool:
        """Add a message; whether there was room for it.

        Args:
            wait: wait for room, however long it takes.
        """
        with self._changed:
            if isinstance(message, Arrived):
                while wait and self._frames >= self.capacity and not self._closed:
                    self._changed.wait()
                if self._closed or self._frames >= self.capacity:
                    return self._closed
                self._frames += 1
            elif self._closed:
                return True
            else:
                self._open = isinstance(message, Begun)
            self._messages.append(message)
            self._changed.notify_all()
            return True

    def drop(self, words: str, more: int) -> int:
        """Take out all frames that wait and end their stretch.

        Args:
            more: frames that are lost beside them, because they have found no room.

        Returns:
            How many frames are lost.
        """
        with self._changed:
            dropped = count = self._frames + more
            kept = [message for message in self._messages if not isinstance(message, Arrived)]
            # A stretch of which nobody has seen anything is no stretch: its frames count with those before it.
            if len(kept) > 1 and isinstance(kept[-1], Begun):
                before = kept[-2]
                if isinstance(before, Ended) and before.why == "dropped":
                    count += before.dropped
                    del kept[-2:]
            self._messages, self._frames = deque(kept), 0
            if not self._closed:
                self._messages.append(Ended("dropped", words, time.time(), count))
            self._open = False
            self._changed.notify_all()
            return dropped

    def take(self, timeout: float) -> Message | None:
        """The next message; None when there is none within so many seconds."""
        with self._changed:
            if not self._messages:
                if self._closed:
                    return None
                self._changed.wait(timeout)
            if not self._messages:
                return None
            message = self._messages.popleft()
            if isinstance(message, Arrived):
                self._frames -= 1
                self._changed.notify_all()
            return message

    def close(self, words: str) -> None:
        """End the stretch and take no more."""
        with self._changed:
            if self._open and not self._closed:
                self._messages.append(Ended("stopped", words, time.time()))
            self._open, self._closed = False, True
            self._changed.notify_all()

    @property
    def finished(self) -> bool:
        """Whether no message is there and none will come."""
        return self._closed and not self._messages
