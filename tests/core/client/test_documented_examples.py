"""The Python examples of docs/client.md run as written, against our own server."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "client.md"


def test_the_examples_of_the_page_run(served: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) >= 2
    names: dict[str, object] = {}
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        code = block[1].replace("http://127.0.0.1:8501", served.url).replace("bondx_…", served.token)
        exec(compile("\n" * line + code, str(PAGE), "exec"), names)  # so that a traceback names the page's line
    first, several = capsys.readouterr().out.splitlines()
    assert first.split()[1] == served.version
    assert several.count(",") == 1
