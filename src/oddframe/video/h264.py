"""Frames that are missing in an H.264 stream, by the numbers in its slice headers (ITU-T H.264, 7.3 and 7.4.3).

A decoder conceals missing frames without a word. Every reference frame has a number, one more than that of the
reference frame before it, so that a gap tells how many are missing.
"""

from __future__ import annotations

from collections.abc import Iterator

_SLICE, _IDR, _SPS = 1, 5, 7
_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_HEAD = 64  # bytes of a slice that are read


class FrameNumbers:
    """Counts missing reference frames, packet by packet."""

    def __init__(self, extradata: bytes | None) -> None:
        """`extradata`: of the stream, an avcC box (ISO 14496-15) or parameter sets with start codes."""
        self._length = 0  # bytes of the length before each unit; 0: start codes
        self._bits = 0  # of a frame number; 0: unknown, or gaps are allowed
        self._planes = False
        self._last: int | None = None
        data = extradata or b""
        if data[:1] == b"\x01" and len(data) > 8:
            self._length = (data[4] & 3) + 1
            size = int.from_bytes(data[6:8], "big")
            self._take(data[8 : 8 + size])
        else:
            for unit in self._units(data):
                self._take(unit)

    def push(self, data: bytes) -> int:
        """The number of reference frames missing before this packet."""
        for unit in self._units(data):
            if unit and unit[0] & 31 in (_SLICE, _IDR):
                try:
                    return self._slice(unit)
                except IndexError:
                    return 0
            self._take(unit)
        return 0

    def _slice(self, unit: bytes) -> int:
        if not self._bits:
            return 0
        bits = _Bits(unit[1:_HEAD])
        for _ in range(3):  # first macroblock, type, picture parameter set
            bits.exp_golomb()
        if self._planes:
            bits.read(2)
        number, last, most = bits.read(self._bits), self._last, 1 << self._bits
        if unit[0] & 31 == _IDR:
            self._last = number
            return 0
        if unit[0] >> 5 & 3 or last is None or (number - last) % most > 1:
            self._last = number
        return 0 if last is None or number == last else (number - last - 1) % most

    def _take(self, unit: bytes) -> None:
        if unit and unit[0] & 31 == _SPS:
            try:
                self._parameters(_Bits(unit[1:]))
            except IndexError:
                self._bits = 0

    def _parameters(self, bits: _Bits) -> None:
        profile = bits.read(8)
        bits.read(16)
        bits.exp_golomb()
        self._planes = False
        if profile in _HIGH:
            colour = bits.exp_golomb()
            if colour == 3:
                self._planes = bool(bits.read(1))
            bits.exp_golomb()
            bits.exp_golomb()
            bits.read(1)
            if bits.read(1):
                for matrix in range(12 if colour == 3 else 8):
                    if bits.read(1):
                        bits.scaling_list(16 if matrix < 6 else 64)
        size = bits.exp_golomb() + 4
        order = bits.exp_golomb()
        if order == 0:
            bits.exp_golomb()
        elif order == 1:
            bits.read(1)
            bits.exp_golomb()
            bits.exp_golomb()
            for _ in range(bits.exp_golomb()):
                bits.exp_golomb()
        bits.exp_golomb()
        gaps_allowed = bits.read(1)
        self._bits = 0 if gaps_allowed or size > 16 else size

    def _units(self, data: bytes) -> Iterator[bytes]:
        """The NAL units of a packet, without start codes or lengths."""
        place = 0
        if self._length:
            while place + self._length < len(data):
                size = int.from_bytes(data[place : place + self._length], "big")
                place += self._length
                yield data[place : place + size]
                place += size
            return
        place = data.find(b"\0\0\1")
        while place >= 0:
            after = data.find(b"\0\0\1", place + 3)
            yield data[place + 3 : after if after >= 0 else len(data)]
            place = after


class _Bits:
    """Reads bits from the left, without the bytes 3 that prevent start codes. Reading past the end: IndexError."""

    def __init__(self, data: bytes) -> None:
        clean = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(clean, "big"), 8 * len(clean)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1

    def exp_golomb(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def scaling_list(self, size: int) -> None:
        last = following = 8
        for _ in range(size):
            if following:
                code = self.exp_golomb()
                delta = (code + 1) // 2 if code % 2 else -(code // 2)
                following = (last + delta) % 256
            last = following or last
