"""One request followed through the debug log by its id: route, answer, stored prediction; and no row of it."""

import logging

from core.log_folder import write_logs
from core.serving.access import Tokens
from tests.core.serving.in_process import serving
from tests.waiting import until


def test_a_request_is_followed_by_its_id_and_nothing_secret_is_logged(workspace, staged, rows_of):
    (row,) = rows_of("spread", 1)
    stop = write_logs(workspace.logs_dir, "server", level=logging.DEBUG)
    try:
        with serving(workspace) as (_, ask, _):
            status, answer = ask(row, "a caller's key")
            ask({"nonsense": 1}, "a caller's key")
            request_id = answer["request_id"]
            log = workspace.logs_dir / "server.log"
            predictions = logging.getLogger("core.telemetry.predictions.writer")
            assert predictions.isEnabledFor(logging.DEBUG)
            until(lambda: request_id in log.read_text().rpartition(" stored: ")[2], "the stored prediction in the log")
    finally:
        stop()
    text = log.read_text()
    lines = [line for line in text.splitlines() if request_id in line]
    assert status == 200
    assert len(lines) == 3
    assert "routed to spread 1.0.0, rollout None, arm stable" in lines[0]
    assert "1 rows scored and answered after " in lines[1]
    assert "core.telemetry.predictions.writer" in lines[2]
    assert "refused: BadRequestError\n" in text
    secrets = [token.digest for token in Tokens(workspace).all()]
    assert not any(secret in text for secret in (*secrets, "Bearer", "a caller's key"))
    assert not any(f"{value}" in text for value in row.values() if isinstance(value, float) and value > 1)
