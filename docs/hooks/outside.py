"""Files of the repository that lie outside `docs`, as pages of the site."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable
from pathlib import Path

DOCS, PAGES = "docs", "repository"
LINK = re.compile(r"(?<=\]\()([^)\s#]*)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", ".sh": "bash"}


class Outside:
    """Maps files of the repository to pages, and links between them.

    Paths have forward slashes and are relative: those of files to the repository, those of pages to the site.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, str] = {}  # page -> file

    def collect(self, pages: Iterable[str], always: Iterable[str] = ()) -> None:
        """Find all files that pages link to, and those that these link to.

        Raises:
            FileNotFoundError: a link names a file that is not there.
        """
        waiting = [*(f"{DOCS}/{page}" for page in pages), *always]
        self._files = {self.page_of(file): file for file in always}
        while waiting:
            file = waiting.pop()
            if not file.endswith(".md"):
                continue
            for target in self._targets(file):
                if not self._inside(target) and self.page_of(target) not in self._files:
                    self._files[self.page_of(target)] = target
                    waiting.append(target)

    def pages(self) -> dict[str, str]:
        """Page -> its Markdown, before its links are changed."""
        return {page: self._text(file) for page, file in self._files.items()}

    def linked(self, page: str, markdown: str) -> str:
        """The Markdown of a page with its links changed to pages of the site."""
        file = self._files.get(page, f"{DOCS}/{page}")
        if not file.endswith(".md"):
            return markdown

        def change(link: str, fragment: str) -> str:
            target = self._resolve(file, link)
            if target is None or (self._inside(target) and page not in self._files):
                return link + fragment
            return posixpath.relpath(self.page_of(target), posixpath.dirname(page) or ".") + fragment

        return replace_links(markdown, change)

    def page_of(self, file: str) -> str:
        """Where a file of the repository is on the site."""
        if self._inside(file):
            return posixpath.relpath(file, DOCS)
        return f"{PAGES}/{file}" if file.endswith(".md") else f"{PAGES}/{file}.md"

    def _inside(self, file: str) -> bool:
        return file.startswith(f"{DOCS}/")

    def _targets(self, file: str) -> list[str]:
        """The files that a Markdown file links to."""
        found: list[str] = []

        def note(link: str, fragment: str) -> str:
            target = self._resolve(file, link)
            if target is not None:
                found.append(target)
            return link + fragment

        replace_links((self._root / file).read_text(encoding="utf-8"), note)
        return found

    def _resolve(self, file: str, link: str) -> str | None:
        """The file that a link names; a folder stands for its README. None for addresses and places on the page."""
        if not link or re.match(r"[a-z]+:", link):
            return None
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), link))
        if (self._root / target).is_dir():
            target = f"{target}/README.md"
        if not (self._root / target).is_file():
            raise FileNotFoundError(f"{file} links to {link}, which is not there")
        return target

    def _text(self, file: str) -> str:
        text = (self._root / file).read_text(encoding="utf-8")
        if file.endswith(".md"):
            return text
        if file.endswith(".ipynb"):
            return notebook_text(file, text)
        return f"# {file}\n\n````{LANGUAGES.get(Path(file).suffix, 'text')}\n{text.rstrip()}\n````\n"


def notebook_text(file: str, text: str) -> str:
    """A notebook as Markdown: its words, and its code without what the code printed."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return f"*The notebook `{file}`.*\n\n" + "\n\n".join(parts) + "\n"


def replace_links(markdown: str, change: Callable[[str, str], str]) -> str:
    """Put `change(link, fragment)` in the place of every link outside of code blocks."""
    pieces, last = [], 0
    for code in (*FENCE.finditer(markdown), None):
        words = markdown[last : code.start() if code else len(markdown)]
        pieces.append(LINK.sub(lambda match: change(match[1], match[2] or ""), words))
        if code:
            pieces.append(code[0])
            last = code.end()
    return "".join(pieces)
