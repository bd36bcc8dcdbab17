"""The shared style of overlay, report and plots: colours, and the format of times and scores.

The colours are those of Okabe and Ito, "Color Universal Design" (2008): people with any kind of colour blindness tell
them apart. One meaning has one colour, in the report as in overlays and plots.
"""

from __future__ import annotations

from collections.abc import Mapping

BLUE, SKY, GREEN, ORANGE = "#0072b2", "#56b4e9", "#009e73", "#e69f00"
VERMILLION, PURPLE, INK = "#d55e00", "#cc79a7", "#20252b"

SCORE = BLUE
THRESHOLD = INK
EVENT = VERMILLION
NORMAL = GREEN
FAULT = ORANGE
TRUTH = PURPLE
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
"""Colours of curves in one picture, in this order."""

LIGHT: Mapping[str, str] = {
    "page": "#ffffff", "card": "#f5f6f8", "line": "#d5dae0", "ink": INK, "dim": "#56606b", "score": SCORE,
    "other": PURPLE, "threshold": THRESHOLD, "event": EVENT, "normal": NORMAL, "fault": FAULT, "truth": TRUTH,
    "gap": "#9aa3ad",
}  # fmt: skip
"""Name of a colour of the report -> the colour on a light page."""
DARK: Mapping[str, str] = {
    **LIGHT, "page": "#14171b", "card": "#1d2126", "line": "#3a424b", "ink": "#e4e8ec", "dim": "#a3aeb9",
    "score": SKY, "threshold": "#e4e8ec", "event": "#f0803a", "gap": "#77818c",
}  # fmt: skip
"""The same on a dark page. Blue and vermillion are lightened, so that they stand out from it as well."""


def colour_rules() -> str:
    """The colours as variables of a style sheet; a printed page is a light one."""

    def block(colours: Mapping[str, str]) -> str:
        return ":root { " + " ".join(f"--{name}: {value};" for name, value in colours.items()) + " }\n"

    return (
        ":root { color-scheme: light dark; }\n"
        + block(LIGHT)
        + f"@media screen and (prefers-color-scheme: dark) {{ {block(DARK)} }}\n"
        + "@media print { :root { color-scheme: light; } }\n"
    )


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
