"""The documentation builds as a site: no link leads nowhere, every page is in it, and Markdown reads as on a forge."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_documents import PAGES, ROOT, anchors
from tools.docs_site import place_of

CODE = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def page_in(site: Path, source: Path) -> Path:
    place = site / place_of(source.relative_to(ROOT).as_posix())
    return place.with_name("index.html" if place.name == "README.md" else f"{place.stem}.html")


def test_every_page_is_in_the_site(site):
    assert [page for page in PAGES if not page_in(site, page).is_file()] == []


def test_headings_have_the_anchors_that_they_have_on_a_forge(site):
    for page in PAGES:
        found = set(map(html.unescape, re.findall(r'<h[1-6] id="([^"]*)"', page_in(site, page).read_text())))
        assert anchors(page) <= found, page


def test_lists_and_tables_are_no_running_text(site):
    for page in PAGES:
        text = CODE.sub("", page_in(site, page).read_text())
        for paragraph in re.findall(r"<p>(.*?)</p>", text, re.DOTALL):
            assert not re.search(r"^(?:[-*] |\d+\. |\|)", paragraph, re.MULTILINE), f"{page}: {paragraph}"


def test_a_pipe_in_the_code_of_a_table_is_a_pipe(site):
    for page in PAGES:
        assert not re.search(r"<code>[^<]*\\\|", page_in(site, page).read_text()), page


def test_nothing_is_fetched_from_elsewhere(site):
    loads = re.compile(r"""<(?:script|img|iframe|link\b[^>]*rel="?stylesheet)[^>]*(?:src|href)="?(https?:[^" >]+)""")
    for page in site.rglob("*.html"):
        assert loads.findall(page.read_text()) == [], page
