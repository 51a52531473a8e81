"""The manual pages say what the parser says, and roff's own tools find nothing wrong with them."""

import shutil
import subprocess
from datetime import date

import pytest

from console.cli.main import COMMANDS, main
from console.cli.man_pages import Imprint, man_page, page_names
from console.mlops.cli import build_parser as build_mlops_parser
from core.errors import ExitCode
from tests.console.test_spec import parsers
from tests.terminal.documented import PARSERS, subcommands

IMPRINT = Imprint("9.8.7", date(2026, 3, 4))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: man_page(name, IMPRINT) for name in page_names()}


def test_there_is_a_page_for_each_program_and_each_command(pages):
    assert set(pages) == {"bondx", "bondx-mlops", *(f"bondx-{name}" for name in subcommands(PARSERS["bondx"]))}


def test_every_command_and_option_of_the_parser_is_on_its_page(pages):
    for name, page in pages.items():
        words = page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
        parser = PARSERS.get(name) or subcommands(PARSERS["bondx"])[name.removeprefix("bondx-")]
        below = parsers(parser) if name != "bondx" else [parser]
        for each in below:
            assert each.prog in words
            for action in each._actions:
                for flag in action.option_strings:
                    assert flag in words, f"{name}: {flag}"
    assert all(f"bondx-{command}" in pages["bondx"].replace("\\-", "-") for command in COMMANDS)


def test_the_edges_of_a_page_name_the_release(pages):
    assert pages["bondx-registry"].startswith('.TH BONDX\\-REGISTRY 1 2026-03-04 "BondX Console 9.8.7"')
    assert ".B" not in pages["bondx-registry"].splitlines()[0]


@pytest.mark.parametrize("tool", [("mandoc", "-T", "lint"), ("man", "--warnings", "-l")], ids=lambda tool: tool[0])
def test_the_pages_are_sound_roff(pages, tool, tmp_path):
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    for name, page in pages.items():
        (tmp_path / f"{name}.1").write_text(page)
    files = sorted(map(str, tmp_path.glob("*.1")))
    done = subprocess.run([*tool, *files], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert (done.stdout if tool[0] == "mandoc" else done.stderr) == ""
    assert done.returncode == 0


def test_man_shows_what_was_typed(pages, tmp_path):
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    file = tmp_path / "page.1"
    file.write_text(pages["bondx-registry"])
    shown = subprocess.run(
        ["man", "-l", str(file)], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert "bondx registry promote MODEL VERSION [option ...]" in shown.stdout
    assert "--override REASON" in shown.stdout


def test_text_of_a_help_is_no_request_and_no_escape(monkeypatch):
    parser = build_mlops_parser()
    parser.description = "'so .so /etc/passwd \\n .TH and a\\fBword of what'"
    monkeypatch.setattr("console.mlops.cli.build_parser", lambda: parser)
    page = man_page("bondx-mlops", IMPRINT)
    assert not [line for line in page.splitlines()[1:] if line.startswith(("'", ".so", ".TH"))]
    assert "\\en" in page
    assert "\\efBword" in page


def test_a_page_is_printed_by_its_command_or_its_name(called):
    by_command, by_name = called(main, "man", "registry"), called(main, "man", "bondx-registry")
    assert by_command == by_name
    assert by_command[0] == ExitCode.GOOD
    assert called(main, "man")[1].startswith(".TH BONDX 1")
    assert called(main, "man", "mlops")[1].startswith(".TH BONDX\\-MLOPS 1")


def test_a_page_that_does_not_exist_is_refused_with_the_pages_that_do(called):
    code, _, err = called(main, "man", "regisry")
    assert code == ExitCode.USAGE
    assert "There is no page regisry. Pages: bondx, mlops, run," in err
