from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oddframe.video.opening import count_packets


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mpg", ".mp4"])
def test_packets_are_counted_where_the_header_is_silent(tmp_path: Path, video_tools: Any, suffix: str) -> None:
    codec = {".webm": "libvpx-vp9", ".mpg": "mpeg2video"}.get(suffix, "libx264")
    images = [video_tools.numbered(n, 48, 72) for n in range(12)]
    assert count_packets(video_tools.write_video(tmp_path / f"v{suffix}", images, codec)) == 12
