"""What MkDocs calls while it builds the site: pages of files outside `docs`, and pages made from the program.

In the repository a page links to any file by a relative path. The site has no repository beside it, so every file that
a page links to becomes a page of the site below `repository/`, and the links follow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

from commands import commands_page  # noqa: E402  # MkDocs loads this file by its path, and not as part of a package
from outside import Outside  # noqa: E402
from recipe_keys import recipes_page  # noqa: E402

ALWAYS = ("CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")  # they stand in the menu
GENERATED = {"<!-- generated: commands -->": commands_page, "<!-- generated: recipes -->": recipes_page}
outside = Outside(ROOT)


def on_files(files: Files, config: Any) -> Files:
    """Add a page for every file outside `docs` that a page links to."""
    outside.collect([file.src_uri for file in files.documentation_pages()], ALWAYS)
    for uri, text in outside.pages().items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links out of `docs` into links to those pages, and fill in what is made from the program."""
    text = outside.linked(page.file.src_uri, markdown)
    for mark, make in GENERATED.items():
        if mark in text:
            text = text.replace(mark, make())
    return text
