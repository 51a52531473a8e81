"""What can be asked beside predictions: health, readiness, metrics, and what each dialect tells of models."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from core.errors import CoreError
from core.serving.access import Role
from core.serving.asgi import Scope, Send, send_json
from core.serving.authenticator import Authenticator
from core.serving.dialects import Dialect, refusal
from core.serving.dialects.dialect import ModelPath
from core.serving.errors import status_of
from core.serving.metrics import CONTENT_TYPE, ServingMetrics
from core.serving.table import ServingTable


class Reads:
    """Answers everything that only looks."""

    def __init__(
        self, authenticator: Authenticator, metrics: ServingMetrics, table: Callable[[], ServingTable]
    ) -> None:
        self._authenticator = authenticator
        self._metrics = metrics
        self._table = table

    async def health(self, scope: Scope, send: Send) -> None:
        """Say that the server runs; open to everybody, since probes carry no tokens."""
        await send_json(send, 200, b'{"status":"up","live":true}')

    async def ready(self, scope: Scope, send: Send) -> None:
        """Say whether every live version answers, and to those who may know, what keeps them from it."""
        troubles = self._table().troubles()
        content: dict[str, Any] = {"status": "not ready" if troubles else "ready", "ready": not troubles}
        try:
            self._authenticator.admit(dict(scope["headers"]), scope["client"], at_least=Role.VIEWER, is_read=True)
            content["reasons"] = troubles
        except CoreError:
            pass  # a load balancer's probe: yes or no is all it needs
        await send_json(send, 503 if troubles else 200, orjson.dumps(content))

    async def metrics(self, scope: Scope, send: Send) -> None:
        """Give the metrics in Prometheus' text format."""
        try:
            self._admit(scope)
        except CoreError as error:
            await send_json(send, status_of(error), refusal(error))
            return
        body = await asyncio.to_thread(self._metrics.text)
        fields = [(b"content-type", CONTENT_TYPE), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    async def describe(
        self,
        scope: Scope,
        send: Send,
        dialect: Dialect,
        asked: ModelPath,
        model: str,
        version: str | None,
        label: str | None,
    ) -> None:
        """Describe a model or a version.

        Args:
            scope: The request.
            send: Where to.
            dialect: In whose words.
            asked: The path of the dialect.
            model: Which model.
            version: Which version; None and no label: the one that answers by default.
            label: Which label.
        """
        try:
            self._admit(scope)
            served = self._table().model(model)
            if label is not None:
                version = served.labelled(label)
            elif version is not None:
                version = served.known(version)
            status, content = asked.describe(served, version)
        except CoreError as error:
            await send_json(send, status_of(error), dialect.refusal(error), content_type=dialect.content_type)
            return
        await send_json(send, status, orjson.dumps(content))

    def _admit(self, scope: Scope) -> None:
        self._authenticator.admit(dict(scope["headers"]), scope["client"], at_least=Role.VIEWER, is_read=True)
