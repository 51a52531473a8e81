"""The engine's log."""

import logging
import os

from core import log_file
from core.engine.journal import open_log


def test_a_full_disk_puts_no_traceback_on_the_terminal(workspace, monkeypatch, capfd) -> None:
    monkeypatch.setattr(log_file, "open_to_write", lambda _path, flags: os.open("/dev/full", flags))
    close = open_log(workspace)
    logging.getLogger("core.engine").error("something is wrong")
    close()
    assert capfd.readouterr().err == ""
