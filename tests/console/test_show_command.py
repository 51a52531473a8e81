"""`bondx show SCREEN` has every screen, without a terminal."""

import functools
import json

import pytest

from console.cli.main import main
from console.commands.show import SCREENS
from console.screen_catalog import SCREENS as CATALOG


@pytest.fixture
def answer(called, workspace):
    return functools.partial(called, main, "--workspace", workspace.root)


def test_every_screen_of_the_console_can_be_shown():
    assert set(SCREENS) == {screen.name for screen in CATALOG}


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_told_as_text_as_plain_lines_and_as_json(answer, screen):
    code, out, err = answer("show", screen, "--json")
    tables = json.loads(out)
    plain = answer("show", screen, "--plain")[1]
    text = answer("show", screen, "--width", "60")[1]

    assert (code, err) == (0, "")
    assert any(table["rows"] for table in tables)
    for table in tables:
        assert f"{table['title']}: " in plain
        assert f"{table['title']}:" in text.splitlines()
        assert len(plain.splitlines()) >= len(table["rows"])


def test_an_unknown_screen_is_refused_with_the_choices(answer):
    code, _, err = answer("show", "nonsense")
    assert code == 2
    assert "overview" in err
