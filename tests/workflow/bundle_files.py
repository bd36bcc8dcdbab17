"""The files of bundles that lists of versions look at, without a detector."""

from __future__ import annotations

import json
from pathlib import Path

from oddframe.bundle import META, WEIGHTS


def written(path: Path, name: str, parent: str = "") -> Path:
    """The files of a bundle that a list looks at."""
    path.mkdir()
    taught = {"parent": parent, "normal": 3, "abnormal": 1} if parent else None
    meta = {
        "format": 2, "id": name, "versions": {"oddframe": "0.1.0"}, "recipe": {"model": "camera", "name": "camera"},
        "data": {"videos": [], "taught": taught},
        "history": {"learned": {"steps": [], "split": "", "too_few": ""}} if parent else {},
    }  # fmt: skip
    (path / META).write_text(json.dumps(meta))
    (path / WEIGHTS).write_bytes(b"")
    return path
