"""Read-only requests beside predictions: health, readiness, metrics, and the dialects' descriptions of models."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from core.access import VerbClass
from core.errors import CoreError
from core.metrics.exposition import CONTENT_TYPE
from core.serving.asgi import Receive, Scope, Send, headers_of, read_body, send_json
from core.serving.authenticator import Authenticator
from core.serving.dialects import Dialect, refusal
from core.serving.dialects.dialect import ListPath, ModelPath
from core.serving.errors import status_of
from core.serving.limits import ServingLimits
from core.serving.metrics import ServingMetrics
from core.serving.table import ServingTable


class Reads:
    """Answers read-only requests."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: ServingMetrics,
        table: Callable[[], ServingTable],
        unwritable: Callable[[], str | None] = lambda: None,
        is_listening: Callable[[], bool] = lambda: True,
        cut_off: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._authenticator = authenticator
        self._metrics = metrics
        self._table = table
        self._unwritable = unwritable
        self._is_listening = is_listening
        self._cut_off = cut_off

    async def health(self, scope: Scope, send: Send) -> None:
        """Report that the server is alive; open to everyone, since probes carry no tokens.

        Authorised callers also learn which models do not answer, and why: the status stays 200, since a restart would
        mend none of them.
        """
        table = self._table()
        content: dict[str, Any] = {"status": "up", "live": True, "ready": table.is_ready and self._is_listening()}
        if self._may_read(scope) and (not_ready := table.not_ready()):
            content["not_ready"] = not_ready
        await send_json(send, 200, orjson.dumps(content))

    async def ready(self, scope: Scope, send: Send) -> None:
        """Report whether the server can answer and, to authorised callers, for which models it cannot and why.

        It answers from a full disk, too, and says that it can record nothing.
        """
        table = self._table()
        is_listening = self._is_listening()
        is_ready = table.is_ready and is_listening
        content: dict[str, Any] = {"status": "ready" if is_ready else "not ready", "ready": is_ready}
        if not is_listening:
            content["grpc"] = False
        unwritable = self._unwritable()
        if unwritable is not None:
            content["writable"] = False
        if self._may_read(scope):  # a load balancer's probe needs only yes or no
            if unwritable is not None:
                content["unwritable"] = unwritable
            content["models"] = {served.model: served.is_ready for served in table.expected()}
            content["models"] |= dict.fromkeys(table.unregistered, False)
            if not_ready := table.not_ready():
                content["not_ready"] = not_ready
            content["reasons"] = table.troubles()
            if kept := [served.model for served in table.models.values() if served.is_kept_as_files]:
                content["kept_as_files"] = kept  # live, and served by another program
            if cut_off := self._cut_off():
                content["cut_off"] = cut_off  # of a replica, which serves on
        await send_json(send, 200 if is_ready else 503, orjson.dumps(content))

    async def metrics(self, scope: Scope, send: Send) -> None:
        """Return the metrics in the Prometheus text format."""
        try:
            await self._admit(scope)
        except CoreError as error:
            await send_json(send, status_of(error), refusal(error))
            return
        body = await asyncio.to_thread(self._metrics.text)
        fields = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(body))]
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
            send: Sends the answer.
            dialect: The dialect of the answer.
            asked: The path of the dialect.
            model: The model.
            version: The version; with neither version nor label, the default version.
            label: The label.
        """
        try:
            await self._admit(scope)
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

    async def list_models(
        self, scope: Scope, receive: Receive, send: Send, dialect: Dialect, asked: ListPath, limits: ServingLimits
    ) -> None:
        """List the models.

        Args:
            scope: The request.
            receive: Receives its body.
            send: Sends the answer.
            dialect: The dialect of the answer.
            asked: The path of the dialect.
            limits: The limits on the body.
        """
        try:
            await self._admit(scope)
            content = await read_body(receive, headers_of(scope), limits)
            status, answer = asked.describe(self._table().read_models(), content)
        except CoreError as error:
            await send_json(send, status_of(error), dialect.refusal(error), content_type=dialect.content_type)
            return
        await send_json(send, status, orjson.dumps(answer))

    def _may_read(self, scope: Scope) -> bool:
        try:  # a probe waits for no keys of a provider
            self._authenticator.admit(headers_of(scope), scope["client"], takes=VerbClass.VIEW, is_read=True)
        except CoreError:
            return False
        return True

    async def _admit(self, scope: Scope) -> None:
        await self._authenticator.admit_waiting(headers_of(scope), scope["client"], takes=VerbClass.VIEW, is_read=True)
