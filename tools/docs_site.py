"""The documentation as a site: hooks of mkdocs, for `make docs`.

The pages are the very files of the repository: those of docs/, README.md as the front page, and whatever outside docs/
they link to. Their links work on a forge as they stand, and are turned here into links within the site.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FRONT = "README.md"
FOLDERS = {"Decisions": "adr", "Runbooks": "runbooks"}
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
# Two things that forges read otherwise than Python-Markdown: a list needs no blank line between itself and a paragraph
# above it, and `\|` within code in a table is a pipe.
TABLE_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
CODE = re.compile(r"`[^`]+`")
CLOSE_LIST = re.compile(r"^(?![-*|#>\s]|\d+\. )(.+\n)(?=[-*] |1\. )", re.MULTILINE)
FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the folders whose pages are many and alike to the table of contents."""
    for title, folder in FOLDERS.items():
        pages = sorted(file.name for file in (ROOT / "docs" / folder).glob("*.md"))
        config.nav.append({title: [f"{folder}/{name}" for name in pages]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the front page, and the files outside docs/ that pages link to, directly or through one another."""
    waiting = [FRONT, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    seen: set[str] = set()
    while waiting:
        if (source := waiting.pop()) in seen:
            continue
        seen.add(source)
        if not source.startswith("docs/"):
            files.append(File.generated(config, place_of(source), abs_src_path=str(ROOT / source)))
        if source.endswith(".md"):
            for part in FENCED.split((ROOT / source).read_text(encoding="utf-8"))[::2]:
                waiting += [target_of(source, link) for link in LINK.findall(part)]
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn the links of a page into links of the site, and its Markdown into the site's; blocks of code stay."""
    source = source_of(page.file.src_uri)
    folder = posixpath.dirname(page.file.src_uri)
    parts = FENCED.split(markdown)
    for number, part in list(enumerate(parts))[::2]:
        linked = LINK.sub(lambda link: posixpath.relpath(place_of(target_of(source, link[0])), folder or "."), part)
        parts[number] = TABLE_ROW.sub(_plain_pipes, CLOSE_LIST.sub(r"\1\n", linked))
    return "".join(parts)


def _plain_pipes(row: re.Match[str]) -> str:
    return CODE.sub(lambda code: code[0].replace("\\|", "|"), row[0])


def target_of(source: str, link: str) -> str:
    """Return the file that a link of a page leads to, both from the top of the repository.

    >>> target_of("docs/guide.md", "../CHANGELOG.md"), target_of("README.md", "docs/guide.md")
    ('CHANGELOG.md', 'docs/guide.md')
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def place_of(source: str) -> str:
    """Return where a file of the repository is in the site.

    >>> place_of("docs/guide.md"), place_of("README.md"), place_of("CHANGELOG.md")
    ('guide.md', 'index.md', 'CHANGELOG.md')
    """
    return "index.md" if source == FRONT else source.removeprefix("docs/")


def source_of(place: str) -> str:
    """Return the file of the repository that is at a place of the site.

    >>> source_of("guide.md"), source_of("index.md"), source_of("CHANGELOG.md")
    ('docs/guide.md', 'README.md', 'CHANGELOG.md')
    """
    if place == "index.md":
        return FRONT
    return f"docs/{place}" if (ROOT / "docs" / place).exists() else place


def slug(heading: str, separator: str) -> str:
    """Return the anchor of a heading, as forges make it.

    >>> slug("Canaries & a p99", "-")
    'canaries--a-p99'
    """
    return re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", separator)
