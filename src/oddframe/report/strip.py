"""The strip below the picture of an overlay video: clock, score, score curve, threshold and events."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from oddframe.report.curve import envelope, score_range
from oddframe.report.paint import put_text, text_size, tint
from oddframe.report.style import SKY, VERMILLION, bgr, clock, significant
from oddframe.types import Event, FrameScores

GROUND, LIGHT = bgr("#15181c"), bgr("#eef1f4")
CURVE, AHEAD, THRESHOLD, EVENT = bgr(SKY), bgr("#46535f"), bgr("#e4e8ec"), bgr(VERMILLION)
FINE = 4  # curves are drawn larger by this factor and then shrunk, so that they are smooth


class Strip:
    """A strip of (height, width) pixels. It is drawn twice in advance, as played and as not yet played.

    For each frame, only the border between the two drawings moves.
    """

    def __init__(self, width: int, scores: FrameScores, threshold: float, events: Sequence[Event]) -> None:
        self.text_size = text_size(width)
        self.header = round(1.8 * self.text_size)
        self.height = self.header + max(44, width // 9)
        self.height += self.height % 2
        self.width = width
        self.threshold = threshold
        self.margin = self.text_size // 2
        self.duration = max(float(scores.time[-1]), 1e-9)
        self.low, self.high = score_range(scores.score, threshold)
        self._ahead = self._draw(scores, events, AHEAD, 0.35)
        self._played = self._draw(scores, events, CURVE, 1.0)

    def paint(self, out: NDArray[np.uint8], time: float, score: float | None, alarm: bool) -> None:
        """Draw the strip at one time into `out`, (height, width, 3) BGR. `score` is None for frames without a score."""
        at = round(self._x(time))
        out[:, :at] = self._played[:, :at]
        out[:, at:] = self._ahead[:, at:]
        cv2.line(out, (at, self.header), (at, self.height - 1), LIGHT, 1)
        baseline = round(1.25 * self.text_size)
        put_text(out, clock(time, 1), (self.margin, baseline), self.text_size, LIGHT)
        if score is not None:
            text, colour = f"score {significant(score)}", EVENT if alarm else LIGHT
            cv2.circle(out, (at, round(self._y(score))), self.text_size // 3, colour, -1, cv2.LINE_AA)
            put_text(out, text, (self.width - self.margin, baseline), self.text_size, colour, "rs")

    def _x(self, seconds: float) -> float:
        return self.margin + (self.width - 1 - 2 * self.margin) * min(max(seconds / self.duration, 0.0), 1.0)

    def _y(self, score: float) -> float:
        top, bottom = self.header + 3, self.height - 6
        return top + (bottom - top) * (self.high - score) / (self.high - self.low)

    def _draw(
        self, scores: FrameScores, events: Sequence[Event], colour: tuple[int, int, int], strength: float
    ) -> NDArray[np.uint8]:
        """The whole strip with its curve in `colour` and the other marks at `strength` (0..1)."""
        canvas = np.full((self.height * FINE, self.width * FINE, 3), GROUND, dtype=np.uint8)
        top, floor = self.header * FINE, (self.height - 3) * FINE
        for event in events:
            left = round(self._x(event.start_s) * FINE)
            right = max(round(self._x(event.end_s) * FINE), left + 2 * FINE)  # an event of a single frame stays visible
            tint(canvas[top:floor, left:right], EVENT, 0.3 * strength)
            tint(canvas[floor:, left:right], EVENT, strength)
        points = zip(*envelope(scores.time, scores.score, 4 * self.width), strict=True)
        curve = np.rint([(self._x(time) * FINE, self._y(score) * FINE) for time, score in points]).astype(np.int32)
        filled = cv2.fillPoly(canvas.copy(), [np.r_[curve, [(curve[-1, 0], floor), (curve[0, 0], floor)]]], colour)
        cv2.addWeighted(canvas, 0.8, filled, 0.2, 0, dst=canvas)
        level = round(self._y(self.threshold) * FINE)
        for left in range(self.margin * FINE, (self.width - self.margin) * FINE, 7 * FINE):
            tint(canvas[level : level + FINE, left : left + 4 * FINE], THRESHOLD, 0.4 + 0.6 * strength)
        stroke = round(self.text_size / 8 * FINE)
        cv2.polylines(canvas, [curve], isClosed=False, color=colour, thickness=stroke, lineType=cv2.LINE_AA)
        return np.asarray(cv2.resize(canvas, (self.width, self.height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
