"""The shared style of overlay, report and plots: colours, and the format of times and scores."""

from __future__ import annotations

SCORE = "#2f74c0"
THRESHOLD = "#c98a12"
EVENT = "#cf2f45"
TRUTH = "#7b68c8"
INK = "#20252b"


def bgr(colour: str) -> tuple[int, int, int]:
    """A "#rrggbb" colour as (blue, green, red), the order of OpenCV."""
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


def clock(seconds: float, decimals: int = 0) -> str:
    """Format seconds as `0:07`, `12:30` or `2:03:04`, rounded to `decimals` decimal places."""
    unit = 10**decimals
    ticks = round(abs(seconds) * unit)
    whole, rest = divmod(ticks, unit)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    if decimals:
        text += f".{rest:0{decimals}d}"
    return f"-{text}" if seconds < 0 and ticks else text


def significant(value: float) -> str:
    """Format a score with three significant digits; in the usual range without an exponent."""
    if value == 0 or 1e-3 <= abs(value) < 99.95:
        return f"{value:#.3g}"
    return f"{value:.0f}" if 1 <= abs(value) < 1e6 else f"{value:.2e}"
