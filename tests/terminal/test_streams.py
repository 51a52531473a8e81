"""A console whose standard error leads to a file is drawn on the terminal, and the file gets what is no drawing."""

import re
import shutil

import pytest

pytestmark = pytest.mark.terminal


def test_a_console_is_drawn_where_its_errors_lead_to_a_file(terminal, trained, tmp_path):
    workspace = shutil.copytree(trained, tmp_path / "w")
    console = terminal(f"bondx --workspace {workspace} run --api 127.0.0.1:0 2>errors", cwd=tmp_path)
    console.wait_for(r"\[1 Overview(.|\n)*ARMED|ARMED(.|\n)*\[1 Overview")
    console.leave_console()
    told = (tmp_path / "errors").read_text()
    assert re.match(r"serving on http://127\.0\.0\.1:\d+", told)
    assert "\x1b" not in told
