"""A file that a person named goes to a new place, through no link, into no workspace."""

import argparse
from pathlib import Path

import pytest

from console.cli.main import main
from core.errors import ExitCode, RefusedError, UsageError
from core.output_files import require_output, write_new_output
from core.sealed_files import seal, sealer_of
from core.settings.in_force import SETTINGS_NAME

TRADES = "trade_id,trade_ts\n"


@pytest.fixture
def home(tmp_path):
    root = tmp_path / "ws"
    assert main(["init", "--workspace", str(root)]) == 0
    return root


def test_what_marks_a_workspace_is_in_every_workspace(home):
    with pytest.raises(RefusedError, match="is in the workspace"):
        require_output(home / "out.csv")
    (home / SETTINGS_NAME).unlink()
    require_output(home / "out.csv")


def test_a_link_is_refused_also_one_that_leads_nowhere(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("mine")
    for name, target in (("link", kept), ("nowhere", tmp_path / "none")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(UsageError, match="is a link to"):
            write_new_output(tmp_path / name, b"new")
    assert kept.read_text() == "mine"
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_a_link_into_a_workspace_is_refused(home, tmp_path):
    (tmp_path / "way").symlink_to(home / "state")
    with pytest.raises(RefusedError, match="is in the workspace"):
        write_new_output(tmp_path / "way" / "registry.json", b"")


def test_a_file_that_exists_is_kept(tmp_path):
    (tmp_path / "old").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        write_new_output(tmp_path / "old", b"new")
    assert (tmp_path / "old").read_text() == "mine"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"], ids=["too long", "zero byte"])
def test_a_name_that_cannot_be_is_said(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be used"):
        write_new_output(tmp_path / name, b"")


def commands(tmp_path: Path) -> dict[str, list[str]]:
    """Return every command that writes what a person names, without the name."""
    trades = tmp_path / "trades.csv"
    trades.write_text(TRADES)
    rows = tmp_path / "rows.csv"
    rows.write_text("size\n1\n")
    sealed = tmp_path / "rows.csv.sealed"
    sealed.write_bytes(seal(b"size\n1\n", sealer_of(b"a key of 16 bytes or more")))
    documents = tmp_path / "documents.txt"
    documents.write_text("one two three\n" * 20)
    return {
        "telemetry export": ["telemetry", "export", "--what", "resources", "--out"],
        "labels wanted": ["labels", "wanted", "pricing", "--data", str(rows), "--out"],
        "data generate": ["data", "generate", "bonds", "--rows", "50", "--out"],
        "data anonymise": ["data", "anonymise", str(rows), "--out"],
        "data unseal": ["data", "unseal", str(sealed), "--key-env", "SEAL_KEY", "--out"],
        "compliance check": ["compliance", "check", str(trades), "--out"],
        "text corpus": ["text", "corpus", "--n", "10", "--out"],
        "text tokenizer": ["text", "tokenizer", str(documents), "--out"],
        "registry bom": ["registry", "bom", "pricing", "1.0.0", "--out"],
        "registry provenance": ["registry", "provenance", "pricing", "1.0.0", "--out"],
        "registry signature": ["registry", "signature", "pricing", "1.0.0", "--out"],
        "registry export": ["registry", "export", "pricing", "1.0.0", "--out"],
        "view export": ["view", "export", "--out"],
        "audit anchor": ["audit", "anchor", "--to"],
    }


NAMES = (
    "telemetry export", "labels wanted", "data generate", "data anonymise", "data unseal", "compliance check",
    "text corpus", "text tokenizer", "registry bom", "registry provenance", "registry signature", "registry export",
    "view export", "audit anchor",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_command_writes_into_a_workspace(name, home, tmp_path, called):
    change = ["session", "start", "--workspace", home, "--reason", "the audit log needs a record"]
    assert called(main, *change)[0] == 0
    before = sorted(home.rglob("*"))
    code, _, err = called(main, *commands(tmp_path)[name], home / "state" / "new.csv", "--workspace", home)

    assert (code, "is in the workspace" in err) == (ExitCode.REFUSED, True), err
    assert [path for path in sorted(home.rglob("*")) if path not in before and "logs" not in path.parts] == []


@pytest.mark.parametrize("name", NAMES[:-1])
def test_no_command_replaces_a_link(name, home, tmp_path, called):
    link, target = tmp_path / "out.csv", tmp_path / "target"
    target.mkdir()
    link.symlink_to(target)
    code, _, err = called(main, *commands(tmp_path)[name], link, "--workspace", home)

    assert (code, "is a link to" in err) == (ExitCode.USAGE, True), err
    assert link.is_symlink()
    assert not list(target.iterdir())


def test_every_command_that_writes_a_named_file_is_tested():
    from console.cli.main import build_parser

    found = set()

    def look(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> None:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, inner in action.choices.items():
                    look(inner, (*words, word))
            elif {"--out", "--to"} & set(action.option_strings) and action.type is Path:
                found.add(" ".join(words[:2]))

    look(build_parser(), ())
    assert found == {
        *NAMES,
        "data reproduce",
        "text train",
        "text shrink",
    }  # these write folders, which tests of their own look at
