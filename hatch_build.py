"""The long description of the package: README without what only works inside the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?://)[^)]*\)\n*", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)[^)]*\)")


def standing_alone(text: str) -> str:
    """A text in Markdown without pictures and links that lead to files of the repository; the words of links stay."""
    return LINK.sub(r"\1", PICTURE.sub("", text))


class Readme(MetadataHookInterface):
    """Sets the field `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling while it builds."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": standing_alone(text)}
