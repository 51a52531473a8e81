"""The engine's log."""

import logging

from core.engine.journal import open_log


def test_a_full_disk_puts_no_traceback_on_the_terminal(workspace, capfd) -> None:
    (workspace.logs_dir / "engine.log").symlink_to("/dev/full")
    close = open_log(workspace)
    logging.getLogger("core.engine").error("something is wrong")
    close()
    assert capfd.readouterr().err == ""
