"""Documents do not rot in silence: every link leads somewhere, every page is reached, what is named is there."""

import ast
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
ROW = re.compile(r"^\| (?!---)(.+) \|$", re.MULTILINE)


def text_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    plain = (re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text_of(page)))
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in plain}


def links(page: Path) -> list[str]:
    return [unquote(link) for link in LINK.findall(text_of(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_in_it(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}; its headings: {sorted(anchors(target))}"


def test_every_page_is_linked_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    assert set(PAGES) - reached == set()


def test_every_decision_has_a_status_a_context_consequences_and_conditions_for_change():
    decisions = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert len(decisions) >= 10
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        for part in ("**Status**", "## Context", "## Decision", "## Consequences", "## What would change our mind"):
            assert part in text, f"{page.name} lacks {part}"


def test_every_path_named_in_a_decision_or_the_architecture_exists():
    named = re.compile(r"`((?:core|console|widgets|tests|benchmarks|docs|bondx|themes|tools)/[\w./-]+)`")
    for page in [*(ROOT / "docs" / "adr").glob("*.md"), ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"]:
        for path in named.findall(page.read_text(encoding="utf-8")):
            assert (ROOT / path.rstrip(".")).exists() or "NAME" in path, f"{page.name} names {path}"


def names_of(path: str) -> set[str]:
    """Return the names of the tests of a file, those of classes as pytest writes them."""
    found = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        start = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {start + each.name for each in inner if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    return found


def test_every_test_that_a_page_names_exists():
    for page in PAGES:
        for path, name in NAMED_TEST.findall(page.read_text(encoding="utf-8")):
            assert name in names_of(path), f"{page.name} names {path}::{name}"


def test_every_threat_has_a_page_and_a_test_and_every_attacker_a_word_on_what_is_not_stopped():
    sections = re.split(r"^## ", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[2:]
    assert len(sections) == 10
    for section in sections:
        rows = ROW.findall(section)[1:]
        assert rows, section
        for row in rows:
            wants, stops, proof = row.split(" | ")
            assert LINK.search(stops), wants
            assert NAMED_TEST.search(proof), wants
        assert "**Not stopped.** " in section, section
