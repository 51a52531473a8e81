"""A path may begin with the home of an account; a home that nobody has is refused in words, wherever it is named."""

import ast
from pathlib import Path

import pytest

from console.cli.main import main
from core.home_paths import at_home

ROOT = Path(__file__).parents[1]
NOWHERE = "~nobody-of-this-name/x"
SAID = "no account of this machine has this home"


def test_a_home_is_put_in_place_of_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert at_home("~/a") == tmp_path / "a"
    assert at_home(Path("a/~b")) == Path("a/~b")


def test_homes_are_found_in_one_module_alone():
    found = set()
    for file in (path for tree in ("core", "console", "bondx", "widgets") for path in (ROOT / tree).rglob("*.py")):
        parsed = ast.parse(file.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.Attribute) and node.attr == "expanduser" for node in ast.walk(parsed)):
            found.add(file.relative_to(ROOT).as_posix())
    assert found == {"core/home_paths.py"}


@pytest.mark.parametrize("variable", ["--workspace", "BONDX_HOME", "BONDX_CONFIG"])
def test_no_command_ends_with_an_internal_error(workspace, monkeypatch, capsys, variable):
    arguments = ["--workspace", str(workspace.root)]
    if variable == "--workspace":
        arguments = [variable, NOWHERE]
    else:
        monkeypatch.setenv(variable, NOWHERE)
        arguments = [] if variable == "BONDX_HOME" else arguments
    assert main([*arguments, "status"]) == 2
    assert SAID in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ("webhooks: [{name: ci, url: 'http://127.0.0.1:9/', secret_file: PATH}]", "webhooks test ci"),
        ("serving: {socket: PATH}", "serve --listen 127.0.0.1:0"),
        ("alerts: {routing: PATH}", "doctor"),
    ],
)
def test_no_setting_ends_a_command_with_an_internal_error(workspace, capsys, settings, command):
    workspace.settings_file.write_text(settings.replace("PATH", f"'{NOWHERE}'"))
    assert main(["--workspace", str(workspace.root), *command.split()]) in (1, 2)
    said = capsys.readouterr()
    assert SAID in said.out + said.err
