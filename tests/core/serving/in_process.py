"""A server in this process, and how to ask it for predictions of spread."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.actor import Actor, Origin
from core.serving.access import Role, Tokens
from core.serving.limits import ServingLimits
from core.serving.server import Server
from core.state import Workspace
from tests.waiting import PATIENCE_SECONDS, until


@contextmanager
def serving(workspace: Workspace) -> Iterator[tuple[Server, Any, Any]]:
    """Serve; whoever names a key shows a token, since the key of a caller without one is ignored."""
    actor = Actor("ana", "desk", Origin.COMMAND_LINE)
    token = Tokens(workspace).create("caller", Role.VIEWER, actor=actor)[1]
    server = Server(workspace, "127.0.0.1", 0, limits=ServingLimits(answer_seconds=PATIENCE_SECONDS))
    server.start()
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)

    def ask(row: Any, key: str | None = None, *, with_token: bool = True, **body: Any) -> tuple[int, Any]:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["x-bondx-key"] = key
            if with_token:
                headers["authorization"] = f"Bearer {token}"
        connection.request("POST", "/api/v1/predict/spread", json.dumps({"row": row, **body}), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    try:
        until(lambda: server.table.is_complete, "every version being loaded")
        yield server, ask, until
    finally:
        connection.close()
        server.stop()
