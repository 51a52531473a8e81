"""Routes requests by path, with the shortest route for predictions.

Paths are parsed once and cached; a method that a path does not support is refused by name.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import orjson

from core.escape import shown
from core.serving.asgi import REQUEST_ID, Application, Message, Receive, Scope, Send, send_json
from core.serving.crowd import Crowd
from core.serving.dialects import DIALECTS, Dialect, refusal
from core.serving.dialects.dialect import ListPath, ServerPath
from core.serving.errors import NoSuchPathError, ServingError, UnavailableError, WrongMethodError
from core.serving.fast_path import FastPath
from core.serving.predict import Predictor, Target, is_id
from core.serving.reads import Reads
from core.serving.shown_json import ShownAnswer
from core.serving.text_routes import WHICH, TextRoutes

CONTROL_PREFIXES = ("/api/v1/", "/api/v2/")

_MAX_REMEMBERED = 4_096
_LONGEST_REMEMBERED = 512

Plain = Callable[[Scope, Send], Awaitable[None]]


class FrontDoor:
    """The ASGI application of the whole server."""

    def __init__(
        self, predictor: Predictor, reads: Reads, control: Application, dialects: Sequence[Dialect] = DIALECTS
    ) -> None:
        """Prepare the table of paths.

        Args:
            predictor: Answers predict requests.
            reads: Answers read-only requests.
            control: The control API.
            dialects: The predict dialects.
        """
        self.limits = predictor.limits
        self.is_draining = False  # each connection ends with its next answer
        self.metrics_port: int | None = None  # a port that answers probes and /metrics alone
        self.crowd = Crowd(self.limits.connections, self.limits.connections_by_peer)
        self._predictor = predictor
        self.texts = TextRoutes(predictor)
        self._reads = reads
        self._control = control
        self._targets: dict[str, Target] = {}
        self.fast_path = FastPath(predictor, self.target)
        self._predict = [(dialect, _pattern(dialect.predict_path)) for dialect in dialects]
        self._only = {dialect.only_path: Target(dialect, model=None) for dialect in dialects if dialect.only_path}
        self._describe = [
            (partial(reads.describe, dialect=dialect, asked=path), _pattern(path.path), path.method)
            for dialect in dialects
            for path in dialect.model_paths
        ]
        self._lists = {path.path: (dialect, path) for dialect in dialects for path in dialect.list_paths}
        self._plain: dict[str, Plain] = {
            "/health": reads.health,
            "/ready": reads.ready,
            "/-/healthy": reads.health,  # as of Prometheus and Alertmanager
            "/-/ready": reads.ready,
            "/metrics": reads.metrics,
            "": _greet,
        }
        for path in (path for dialect in dialects for path in dialect.server_paths):
            self._plain[path.path] = self._plain[path.same_as] if path.same_as else _server_description(path)
        self._probes = {path for path, plain in self._plain.items() if plain in (reads.health, reads.ready)}
        self._monitored = {"", "/metrics", *self._probes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; pass other events on."""
        if scope["type"] != "http":
            await self._control(scope, receive, send)
            return
        send = self._with_id(scope, send)
        if self.is_draining:
            send = partial(_send_last, send)
        path: str = scope["path"]
        target = self.target(path)
        if self.is_for_metrics(scope.get("server")) and path.rstrip("/") not in self._monitored:
            await _not_here(send, path)
        elif scope["method"] == "OPTIONS" and (
            target is not None or self.texts.target(path) is not None or not path.startswith(CONTROL_PREFIXES)
        ):
            await self._tell_methods(path, target, send)
        elif target is not None:
            if scope["method"] == "POST":
                await self._predictor.answer(target, scope, receive, send)
            else:
                await _refuse_method(send, b"POST", target.dialect)
        elif (text := self.texts.target(path)) is not None:
            if scope["method"] == "POST":
                await self.texts.answer(text, scope, receive, send)
            else:
                await _refuse_method(send, b"POST")
        elif path.startswith(CONTROL_PREFIXES):
            await self._control(scope, receive, send)
        elif (listed := self._lists.get(path.rstrip("/"))) is not None:
            await self._list_models(*listed, scope, receive, send)
        elif (plain := self._plain.get(path.rstrip("/"))) is not None:
            await plain(scope, send) if scope["method"] in ("GET", "HEAD") else await _refuse_method(send, b"GET")
        else:
            await self._describe_model(path, scope, send)

    def is_for_metrics(self, server: tuple[str, int | None] | None) -> bool:
        """Whether a connection came to the port that answers probes and /metrics alone."""
        return self.metrics_port is not None and server is not None and server[1] == self.metrics_port

    async def answer_probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer on a connection beyond the limit: only probes, lest a busy server look dead."""
        if scope["type"] == "http" and scope["path"].rstrip("/") in self._probes:
            await self(scope, receive, partial(_send_last, send))  # a body that nobody reads must not hold the place
        else:
            error = UnavailableError("Too many connections are open; retry in a moment.")
            await send_json(
                self._with_id(scope, send), error.status, refusal(error), headers=((b"connection", b"close"),)
            )

    async def refuse(self, error: ServingError, scope: Scope, _receive: Receive, send: Send) -> None:
        """Refuse a request by its head alone, and end its connection: its body cannot be read."""
        send = partial(_send_last, self._with_id(scope, send))
        await send_json(send, error.status, refusal(error))

    def new_id(self) -> str:
        """Return the id of a request that came without one."""
        return self._predictor.new_id()

    def _with_id(self, scope: Scope, send: Send) -> Send:
        """Let the answer return the id of the request, its caller's or one of ours, and be safe to show."""
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
        request_id = scope[REQUEST_ID] = given if is_id(given) else self.new_id()
        return ShownAnswer(partial(_send_with_id, request_id.encode(), send))

    def target(self, path: str) -> Target | None:
        """Return the target of a predict path; None for any other path."""
        if (known := self._targets.get(path) or self._only.get(path)) is not None:
            return known
        for dialect, pattern in self._predict:
            if found := pattern.fullmatch(path):
                if len(self._targets) >= _MAX_REMEMBERED:
                    self._targets.clear()
                target = Target(dialect, found["model"], found["version"], found["label"])
                if len(path) <= _LONGEST_REMEMBERED:
                    self._targets[path] = target
                return target
        return None

    async def _list_models(self, dialect: Dialect, asked: ListPath, scope: Scope, receive: Receive, send: Send) -> None:
        if _accepts(asked.method, scope):
            await self._reads.list_models(scope, receive, send, dialect=dialect, asked=asked, limits=self.limits)
        else:
            await _refuse_method(send, asked.method.encode(), dialect)

    async def _tell_methods(self, path: str, target: Target | None, send: Send) -> None:
        """Answer OPTIONS: with the methods of the path, and with no permission for web pages of other origins."""
        is_post = target is not None or self.texts.target(path) is not None
        method = "POST" if is_post else self._method_of(path)
        if method is None:
            await _no_such_path(send, path)
            return
        allowed = b"GET, HEAD, OPTIONS" if method == "GET" else f"{method}, OPTIONS".encode()
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed)]})
        await send({"type": "http.response.body", "body": b""})

    def _method_of(self, path: str) -> str | None:
        if (listed := self._lists.get(path.rstrip("/"))) is not None:
            return listed[1].method
        if path.rstrip("/") in self._plain:
            return "GET"
        return next((method for _, pattern, method in self._describe if pattern.fullmatch(path)), None)

    async def _describe_model(self, path: str, scope: Scope, send: Send) -> None:
        for describe, pattern, method in self._describe:
            if found := pattern.fullmatch(path):
                if not _accepts(method, scope):
                    await _refuse_method(send, method.encode())
                    return
                await describe(scope, send, model=found["model"], version=found["version"], label=found["label"])
                return
        await _no_such_path(send, path)


async def _send_with_id(request_id: bytes, send: Send, message: Message) -> None:
    """Send a message of an answer that returns an id, unless it returns another."""
    if message["type"] == "http.response.start":
        fields = list(message["headers"])
        if all(name != b"x-request-id" for name, _ in fields):
            message["headers"] = [*fields, (b"x-request-id", request_id)]
    await send(message)


async def _send_last(send: Send, message: Message) -> None:
    """Send a message of the last answer of a connection."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (b"connection", b"close")]
    await send(message)


def _accepts(method: str, scope: Scope) -> bool:
    return scope["method"] == method or (method == "GET" and scope["method"] == "HEAD")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(re.escape("{which}"), WHICH))


async def _greet(scope: Scope, send: Send) -> None:
    """Answer at the root, where KServe's V1 clients ask whether a server is live."""
    await send_json(send, 200, b'{"status":"alive","paths":"/api/v1/openapi.json"}')


def _server_description(path: ServerPath) -> Plain:
    async def describe(scope: Scope, send: Send) -> None:
        await send_json(send, 200, orjson.dumps(path.describe() if path.describe else {}))

    return describe


async def _refuse_method(send: Send, allowed: bytes, dialect: Dialect | None = None) -> None:
    error = WrongMethodError(f"This path accepts {allowed.decode()} requests only.")
    headers = ((b"allow", allowed),)
    if dialect is None:
        await send_json(send, error.status, refusal(error), headers=headers)
    else:
        await send_json(send, error.status, dialect.refusal(error), headers=headers, content_type=dialect.content_type)


async def _not_here(send: Send, path: str) -> None:
    error = NoSuchPathError(
        f"This port answers /health, /ready and /metrics alone, not {shown(path, most=200)}: ask on the port of "
        "serving.listen."
    )
    await send_json(send, error.status, refusal(error))


async def _no_such_path(send: Send, path: str) -> None:
    error = NoSuchPathError(f"There is no path {shown(path, most=200)}. /api/v1/openapi.json lists every path.")
    await send_json(send, error.status, refusal(error))
