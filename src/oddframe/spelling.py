"""Names of strangers as text that can be shown: no letter of them moves a cursor, colours a terminal or ends a line."""

from __future__ import annotations

import unicodedata

# Control characters, halves of letters (bytes of a name that is not UTF-8), and the two separators of lines.
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
# What turns the direction of writing around, so that a name reads as another one.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_text(name: str) -> bool:
    """Whether a name can be printed and written in UTF-8, which some file systems do not see to."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name)


def visible(text: str) -> str:
    """The text on one line, with everything spelled out that is no visible letter: caf\\xe9.mp4, \\x1b[31m."""
    return "".join(_spelled(letter) if _hidden(letter) else letter for letter in text)


def _hidden(letter: str) -> bool:
    return letter in _TURNS or unicodedata.category(letter) in _UNSEEN


def _spelled(letter: str) -> str:
    code = ord(letter)
    code -= 0xDC00 if 0xDC80 <= code <= 0xDCFF else 0  # Python's stand-in for a byte that is not UTF-8
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
