"""The order of the frames of a folder: what the names of the images say.

Natural order is the rule: digits are numbers, so that frame2 comes before frame10, however many zeros stand in front.
Names of four kinds say something else, and are told by all names of a folder together:

    numbers      every name is a number, and one of them is negative or has an exponent: by value
    decimals     every name ends in a decimal number, such as 1700000000.05 or cam_12.5: by value. Fractions such as .1
                 and .05 are decimals; .9 and .10 are counters, because a decimal number is not written with a zero at
                 its end unless all have the same length
    hexadecimal  what differs between the names consists of 0-9 and a-f, with letters among it, and has one length: as
                 text. Of different lengths: by value, if the values are those of a counter, without a gap
    dates        every name has one date whose year stands last, such as 31-01-2024, or a time with AM or PM: by time

Where one of these rules gives another order than natural order, a note says which was taken.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from math import gcd
from pathlib import PurePath
from typing import Any

Key = Callable[[str], Any]

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.ASCII)
_DECIMAL = re.compile(r"(?P<before>.*?)(?P<number>\d+(?:\.(?P<fraction>\d+))?)", re.ASCII | re.DOTALL)
_DATE = re.compile(
    r"(?P<before>.*?)(?<!\d)"
    r"(?:(?P<year>(?:19|20)\d\d)([-_.])(?P<month>\d{1,2})\3(?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})([-_. ])(?P<second>\d{1,2})\7(?P<last>(?:19|20)\d\d))(?!\d)"
    r"(?P<clock>.*?)(?P<half>[ap])?m?",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True)
class NameOrder:
    """Names in order, and what the user should know about it, each a whole sentence."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key for natural order: "frame2" comes before "frame10", digits before letters, and case is ignored."""
    parts = re.split(r"(\d+)", text.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def in_order(names: Iterable[str]) -> NameOrder:
    """The file names of a folder's frames in the order of the frames; the rule stands at the top of this module."""
    natural = sorted(names, key=natural_key)
    stems = [PurePath(name).stem.casefold() for name in natural]
    if len(stems) < 2 or (all(re.fullmatch(r"\D*\d+", stem) for stem in stems) and not _signed(stems)):
        return NameOrder(tuple(natural), _padding(natural) or _gaps(natural))
    for rule in (_by_value, _by_decimal, _by_hexadecimal, _by_date):
        found = rule(stems)
        if found is None:
            continue
        words, key = found
        chosen = sorted(natural, key=lambda name: (key(PurePath(name).stem.casefold()), natural_key(name)))
        if chosen == natural:
            break
        place = next(number for number, pair in enumerate(zip(chosen, natural, strict=True)) if len(set(pair)) > 1)
        note = (
            f"the frames are taken in the order of {words}: {_few(chosen, place)}, where natural order is "
            f"{_few(natural, place)}; rename the frames if that is not meant"
        )
        return NameOrder(tuple(chosen), (note,))
    return NameOrder(tuple(natural), _counters(natural, stems) + _padding(natural) or _gaps(natural))


def _gaps(names: Sequence[str]) -> tuple[str, ...]:
    """The note on frames that are missing, where the names are alike but for the number at their end.

    Numbers that mostly grow by the same step number the frames, also every fifth one; others are times.
    """
    stems = [PurePath(name).stem for name in names]
    plain = [re.fullmatch(r"(.*?)(\d+)(\D*)", stem, re.ASCII | re.DOTALL) for stem in stems]
    parts = [match.groups() for match in plain if match]
    if len(parts) < len(names) or len({(before, after) for before, _, after in parts}) != 1:
        return ()
    if all(re.search(r"(?:19|20)\d{6}\D?\d{6}$", stem) for stem in stems):
        return ()  # a date and a clock
    numbers = sorted({int(number) for _, number, _ in parts})
    steps = [after - before for before, after in pairwise(numbers)]
    usual = gcd(*steps)
    missing = sum(step // usual - 1 for step in steps)
    few = len(steps) < 4  # they say nothing of a usual step
    if not missing or (2 * steps.count(usual) < len(steps) and not few):
        return ()
    gap = next(number for number, step in zip(numbers, steps, strict=False) if step > usual) + usual
    return (
        f"{missing} of the frames numbered {numbers[0]} to {numbers[-1]} are missing, first {gap}; extract them again, "
        "because times and labels after a gap belong to other frames",
    )


def _few(names: Sequence[str], place: int) -> str:
    """Three names around the first place at which two orders differ."""
    start = max(0, min(place - 1, len(names) - 3))
    return ", ".join(names[start : start + 3])


def _signed(stems: Sequence[str]) -> bool:
    return any(stem.startswith("-") for stem in stems)


def _by_value(stems: Sequence[str]) -> tuple[str, Key] | None:
    if not all(_NUMBER.fullmatch(stem) for stem in stems):
        return None
    if not _signed(stems) and not any("e" in stem for stem in stems):
        return None
    if any("e" in stem for stem in stems) and not any("." in stem or "e-" in stem or "e+" in stem for stem in stems):
        return None  # 1e4 among such names is hexadecimal
    try:
        values = {stem: Decimal(stem) for stem in stems}
    except InvalidOperation:
        return None
    return "the numbers in their names", values.__getitem__


def _by_decimal(stems: Sequence[str]) -> tuple[str, Key] | None:
    matches = [_DECIMAL.fullmatch(stem) for stem in stems]
    fractions = [match["fraction"] or "" for match in matches if match]
    if len(fractions) < len(stems) or not any(fractions) or _counted(fractions):
        return None
    if any(match and re.search(r"\d\.$", match["before"]) for match in matches):
        return None  # 2024.01.31 is no decimal number
    keys = {s: (natural_key(m["before"]), Decimal(m["number"])) for s, m in zip(stems, matches, strict=True) if m}
    return "the decimal numbers in their names", keys.__getitem__


def _counted(fractions: Sequence[str]) -> bool:
    """Whether what stands after the points is a counter, as in 1.9 and 1.10."""
    lengths = {len(fraction) for fraction in fractions}
    return len(lengths) > 1 and any(len(fraction) > 1 and fraction.endswith("0") for fraction in fractions)


def _counters(names: Sequence[str], stems: Sequence[str]) -> tuple[str, ...]:
    """The note for names such as 1.9 and 1.10, which could be decimal numbers."""
    matches = [re.fullmatch(r"\D*\d+\.(\d+)", stem, re.ASCII) for stem in stems]
    if not all(matches) or not _counted([match[1] for match in matches if match]):
        return ()
    at = next(number for number, match in enumerate(matches) if match and len(match[1]) > 1 and match[1][-1] == "0")
    return (
        f"the numbers after the point are taken as counters, so that {names[at]} comes after {names[at - 1]}; rename "
        "the frames if they are decimal numbers",
    )


def _by_hexadecimal(stems: Sequence[str]) -> tuple[str, Key] | None:
    start = _shared(stems)
    tails = [stem[start:] for stem in stems]
    end = _shared([tail[::-1] for tail in tails])
    tails = [tail[: len(tail) - end] for tail in tails]
    if not all(re.fullmatch(r"[0-9a-f]+", tail) for tail in tails):
        return None
    if not any(re.search("[a-f]", tail) for tail in tails) or not any(re.search("[0-9]", tail) for tail in tails):
        return None
    if len(set(map(len, tails))) == 1:
        return "the hexadecimal numbers in their names", lambda stem: stem
    values = {stem: int(tail, 16) for stem, tail in zip(stems, tails, strict=True)}
    counter = sorted(values.values())
    if len(counter) > 9 and counter == list(range(counter[0], counter[0] + len(counter))):
        return "the hexadecimal numbers in their names", values.__getitem__
    return None


def _shared(texts: Sequence[str]) -> int:
    """Length of the start that all texts share, without hexadecimal digits at its end: they belong to the number."""
    least, most = min(texts), max(texts)
    length = next((n for n, pair in enumerate(zip(least, most, strict=False)) if len(set(pair)) > 1), len(least))
    return len(least[:length].rstrip("0123456789abcdef"))


def _by_date(stems: Sequence[str]) -> tuple[str, Key] | None:
    matches = [_DATE.fullmatch(stem) for stem in stems]
    dates = [match for match in matches if match]
    if len(dates) < len(stems):
        return None
    firsts = [int(match["first"] or 0) for match in dates]
    seconds = [int(match["second"] or 0) for match in dates]
    if max(firsts) > 12 and max(seconds) > 12:
        return None
    month_first = max(seconds) > 12
    keys = {}
    for stem, match in zip(stems, dates, strict=True):
        if match["year"]:
            date = (int(match["year"]), int(match["month"]), int(match["day"]))
        else:
            first, second = int(match["first"]), int(match["second"])
            date = (int(match["last"]), first, second) if month_first else (int(match["last"]), second, first)
        keys[stem] = (natural_key(match["before"]), date, _clock(match))
    words = "the dates in their names"
    if any(firsts):
        words += ", the month first" if month_first else ", the day first"
    return words, keys.__getitem__


def _clock(match: re.Match[str]) -> tuple[tuple[int, int, str], ...]:
    """Natural key of the time after a date; an hour of a clock with AM and PM counts from midnight."""
    clock = natural_key(match["clock"])
    if match["half"] is None:
        return clock
    hour = next((number for number, part in enumerate(clock) if part[0] == 0), None)
    if hour is None:
        return clock
    value = clock[hour][1] % 12 + (12 if match["half"] == "p" else 0)
    return (*clock[:hour], (0, value, ""), *clock[hour + 1 :])


def _padding(names: Sequence[str]) -> tuple[str, ...]:
    """Notes on numbers that stand twice, on several series, and on zeros in front to different lengths."""
    plain = [re.fullmatch(r"(\D*)(\d+)(\D*)", PurePath(name).stem, re.ASCII) for name in names]
    numbered = [match for match in plain if match]
    notes = []
    twice = Counter((match[1].casefold(), int(match[2]), match[3].casefold()) for match in numbered)
    doubled = [place for place, count in twice.items() if count > 1]
    if doubled:
        same = [m.string for m in numbered if (m[1].casefold(), int(m[2]), m[3].casefold()) == doubled[0]]
        number = f"{len(doubled)} frame numbers stand" if len(doubled) > 1 else "one frame number stands"
        notes.append(f"{number} in more than one name, first in {' and '.join(same[:2])}; keep one image per frame")
    numbers: dict[str, set[int]] = defaultdict(set)
    for match in numbered:
        numbers[match[1].casefold()].add(int(match[2]))
    first, *others = numbers.values() if len(numbered) == len(names) and numbered else [set()]
    if others and all(len(own & first) > 1 and len(own & first) > len(first) / 2 for own in others):
        which = ", ".join(sorted(numbers)[:3])
        notes.append(
            f"the names are of {len(numbers)} series with the same numbers ({which}), which are taken one after the "
            "other as one video; give each series a folder of its own"
        )
    padded = {len(match[2]) for match in numbered if match[2].startswith("0") and len(match[2]) > 1}
    short = [match for match in numbered if not match[2].startswith("0") and len(match[2]) < max(padded, default=0)]
    if len(padded) > 1 or short:
        notes.append(
            "the numbers in the names have zeros in front to different lengths; the frames are taken by the numbers, "
            "not by the text of their names"
        )
    return tuple(notes)
