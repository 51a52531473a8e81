"""Another workspace in the same console, and the list of recent ones."""

import json
import os
import shutil
import sys
from datetime import timedelta

import pexpect
import pytest

from console.app.opening import settings_to_show
from console.cli.main import main
from core.clock import utc_now
from core.errors import NotFoundError, UsageError
from core.state import Workspace
from core.state.recent_workspaces import MAX_WORKSPACES, RecentWorkspaces
from tests.waiting import PATIENCE_SECONDS, until

RUN = (
    "import sys; from pathlib import Path; from console.app.start import run_console; "
    "sys.exit(run_console(Path(sys.argv[1]), read_only=True))"
)


@pytest.fixture(autouse=True)
def recent(tmp_path, monkeypatch) -> RecentWorkspaces:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return RecentWorkspaces.of_user()


@pytest.fixture
def other(workspace, tmp_path) -> Workspace:
    return Workspace.open(shutil.copytree(workspace.root, tmp_path / "desk-fx"))


def test_the_newest_is_first_and_only_some_are_kept(recent, tmp_path):
    for number in range(MAX_WORKSPACES + 3):
        recent.remember(tmp_path / f"w{number}", utc_now())
    recent.remember(tmp_path / "w5", utc_now() + timedelta(seconds=1))
    names = [each.name for each in recent.all()]
    assert (names[:2], len(names)) == (["w5", "w22"], MAX_WORKSPACES)


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"path": 3}]', b"\xff"])
def test_a_damaged_list_is_empty_and_is_written_again(recent, tmp_path, content):
    recent.remember(tmp_path / "w", utc_now())
    (tmp_path / "data" / "bondx" / "workspaces.json").write_bytes(content)
    assert recent.all() == []
    recent.remember(tmp_path / "w", utc_now())
    assert [each.name for each in recent.all()] == ["w"]


def test_a_word_is_a_recent_name_or_a_path(recent, workspace, other, tmp_path, monkeypatch):
    recent.remember(workspace.root, utc_now())
    assert recent.find("desk-risk") == workspace.root
    assert recent.find(str(other.root)) == other.root
    monkeypatch.chdir(tmp_path)
    assert recent.find("desk-fx") == other.root
    with pytest.raises(NotFoundError, match=r"no recent workspace desk-eq.*desk-risk"):
        recent.find("desk-eq")
    recent.remember(tmp_path / "elsewhere" / "desk-risk", utc_now())
    with pytest.raises(UsageError, match="Several workspaces are named desk-risk"):
        recent.find("desk-risk")


def test_the_recent_workspaces_are_listed_with_their_state(recent, workspace, tmp_path, called):
    assert called(main, "workspaces")[1] == "no workspace has been opened in a console yet\n"
    recent.remember(tmp_path / "gone", utc_now())
    recent.remember(workspace.root, utc_now())
    before = sorted(workspace.root.rglob("*"))
    rows = json.loads(called(main, "workspaces", "--json")[1])
    assert [(row["name"], row["state"]) for row in rows] == [("desk-risk", "3 firing"), ("gone", "missing")]
    assert "desk-risk" in called(main, "workspaces")[1]
    assert sorted(workspace.root.rglob("*")) == before


async def test_what_cannot_be_opened_is_refused_before_this_workspace_is_left(open_console, recent, other, tmp_path):
    recent.remember(other.root, utc_now())
    (other.root / "bondx.yaml").write_text("nonsense: 1")
    async with open_console((120, 40)) as console:
        for word, answer in (
            (str(tmp_path / "nowhere"), "the folder does not exist"),
            (str(console.app.workspace.root), "is shown already"),
            ("desk-fx", "nonsense"),
        ):
            await console.press("colon")
            await console.burst(*f"workspace {word}", "enter")
            await console.until(lambda answer=answer: answer in console.sentence, answer)
        assert console.app.following is None
        assert list(console.app.commands.complete("workspace de")) == ["workspace desk-fx"]


BROKEN = {
    "an unknown setting": ("bondx.yaml", "nonsense: 1", "nonsense"),
    "an unknown theme": ("bondx.yaml", "console: {theme: neon}", "console.theme"),
    "a conflict of keys": ("bondx.yaml", "console: {keys: {console.sort: d}}", "is also the key of"),
    "an unknown id": ("bondx.yaml", "console: {keys: {console.srot: x}}", "there is no such id"),
    "a damaged registry": ("state/registry.json", "{", "registry.json"),
    "damaged alerts": ("state/alerts.json", "[]", "alerts.json"),
}


@pytest.mark.parametrize(("file", "content", "told"), BROKEN.values(), ids=BROKEN)
async def test_nothing_is_stopped_for_a_workspace_that_cannot_be_shown_whole(
    open_console, other, monkeypatch, file, content, told
):
    (other.root / file).write_text(content)
    async with open_console((120, 40)) as console:
        monkeypatch.setattr(console.app.host, "stop", lambda *_: pytest.fail("the engine was stopped"))
        await console.press("colon")
        await console.burst(*f"workspace {other.root}", "enter")
        await console.until(lambda: told in console.sentence, told)
        assert console.sentence.startswith("desk-fx is not opened:")
        assert (console.app.following, console.app.is_running) == (None, True)


def test_a_console_opens_disarmed_on_settings_that_cannot_be_used(workspace):
    workspace.settings_file.write_text("nonsense: 1")
    assert not settings_to_show(workspace).console.armed
    child = opened(workspace)
    child.expect("damage")
    leave(child)


def opened(workspace: Workspace) -> pexpect.spawn:
    environ = os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    return pexpect.spawn(
        sys.executable, ["-c", RUN, str(workspace.root)], dimensions=(24, 120), env=environ, timeout=PATIENCE_SECONDS
    )


def leave(child: pexpect.spawn) -> None:
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_console_shows_the_other_workspace_and_leaves_from_there(workspace, other, recent, tmp_path):
    recent.remember(other.root, utc_now())
    other.settings_file.write_text("console: {keys: {registry.promote: B}}")
    child = opened(workspace)
    child.expect("desk-risk")
    until_listed(recent, "desk-risk", "desk-fx")
    child.send(":workspace desk-fx\r")
    child.expect("desk-fx.*Overview")
    child.expect("Other keys here: B registry.promote")
    until_listed(recent, "desk-fx", "desk-risk")
    leave(child)
    assert listed(recent) == ["desk-fx", "desk-risk"]


def listed(recent: RecentWorkspaces) -> list[str]:
    return [each.name for each in recent.all()]


def until_listed(recent: RecentWorkspaces, *names: str) -> None:
    """Wait for these recent workspaces: a console notes its own in a thread, after its first frame."""
    until(lambda: listed(recent) == [*names], f"the list {names}", told=lambda: listed(recent))
