"""Several threads authenticate at a server that has not read its tokens yet."""

import threading
from pathlib import Path

import pytest

from core.access import VerbClass
from core.actor import Actor, Origin
from core.serving.access import Role, Tokens
from core.serving.authenticator import Authenticator
from core.state import Workspace
from tests.waiting import PATIENCE_SECONDS

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def test_no_token_is_refused_while_another_thread_reads_the_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create(tmp_path / "workspace", settings_text="{}\n")
    _, secret = Tokens(workspace).create("desk", Role.VIEWER, actor=ANA)
    authenticator = Authenticator(workspace)
    is_reading, has_asked = threading.Event(), threading.Event()
    read = Tokens.all

    def read_slowly(tokens: Tokens):
        if threading.current_thread() is first:
            is_reading.set()
            has_asked.wait(PATIENCE_SECONDS)
        return read(tokens)

    def ask() -> str:
        headers = {b"authorization": f"Bearer {secret}".encode()}
        return authenticator.admit(headers, ("127.0.0.1", 1), takes=VerbClass.VIEW, is_read=True).actor.via

    first = threading.Thread(target=ask)
    monkeypatch.setattr(Tokens, "all", read_slowly)
    first.start()
    assert is_reading.wait(PATIENCE_SECONDS)
    try:
        assert ask() == "desk"
    finally:
        has_asked.set()
        first.join(PATIENCE_SECONDS)
