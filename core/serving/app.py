"""The front door: a table of paths, with the shortest way for predictions.

Paths are parsed once and remembered; a method that a path does not have is said so.
"""

import re
from collections.abc import Awaitable, Callable

from core.serving.asgi import Application, Receive, Scope, Send, send_json
from core.serving.dialects import Dialect, JsonRows, OpenInference, TfServing, refusal
from core.serving.errors import NoSuchPathError, WrongMethodError
from core.serving.fast_path import FastPath
from core.serving.predict import Predictor, Target
from core.serving.reads import Reads

CONTROL_PREFIX = "/api/v1/"

_PART = r"[^/:]+"
_NAMED = rf"(?P<model>{_PART})(?:/versions/(?P<version>{_PART})|/labels/(?P<label>{_PART}))?"
_WHICH = f"/models/{_NAMED}"
_PREDICT: tuple[tuple[Dialect, re.Pattern[str]], ...] = (
    (TfServing(), re.compile(f"/v1{_WHICH}:predict")),
    (OpenInference(), re.compile(f"/v2{_WHICH}/infer")),
    (JsonRows(), re.compile(f"/api/v1/predict/{_NAMED}")),
)
_DESCRIBE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("tf_status", re.compile(f"/v1{_WHICH}")),
    ("tf_metadata", re.compile(f"/v1{_WHICH}/metadata")),
    ("v2_metadata", re.compile(f"/v2{_WHICH}")),
    ("v2_ready", re.compile(f"/v2{_WHICH}/ready")),
)
_MAX_REMEMBERED = 4_096
_LONGEST_REMEMBERED = 512

Plain = Callable[[Scope, Send], Awaitable[None]]


class FrontDoor:
    """The ASGI application of the whole server."""

    def __init__(self, predictor: Predictor, reads: Reads, control: Application) -> None:
        self.limits = predictor.limits
        self._predictor = predictor
        self._reads = reads
        self._control = control
        self._targets: dict[str, Target] = {}
        self.shortcut = FastPath(predictor, self.target)
        self._plain: dict[str, Plain] = {
            "/health": reads.health,
            "/ready": reads.ready,
            "/metrics": reads.metrics,
            "/v2": reads.server,
            "/v2/": reads.server,
            "/v2/health/live": reads.health,
            "/v2/health/ready": reads.ready,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is none."""
        if scope["type"] != "http":
            await self._control(scope, receive, send)
            return
        path: str = scope["path"]
        target = self.target(path)
        if target is not None:
            if scope["method"] == "POST":
                await self._predictor.answer(target, scope, receive, send)
            else:
                await _refuse_method(send, b"POST")
        elif path.startswith(CONTROL_PREFIX):
            await self._control(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse_method(send, b"GET") if path in self._plain else await _no_such_path(send, path)
        elif (plain := self._plain.get(path.rstrip("/") or path)) is not None:
            await plain(scope, send)
        else:
            await self._describe(path, scope, send)

    def target(self, path: str) -> Target | None:
        """Return what a predict path asks for; None for any other path."""
        if (known := self._targets.get(path)) is not None:
            return known
        for dialect, pattern in _PREDICT:
            if found := pattern.fullmatch(path):
                if len(self._targets) >= _MAX_REMEMBERED:
                    self._targets.clear()
                target = Target(dialect, found["model"], found["version"], found["label"])
                if len(path) <= _LONGEST_REMEMBERED:
                    self._targets[path] = target
                return target
        return None

    async def _describe(self, path: str, scope: Scope, send: Send) -> None:
        for kind, pattern in _DESCRIBE:
            if found := pattern.fullmatch(path):
                await self._reads.describe(scope, send, kind, found["model"], found["version"], found["label"])
                return
        await _no_such_path(send, path)


async def _refuse_method(send: Send, allowed: bytes) -> None:
    error = WrongMethodError(f"This path is for {allowed.decode()} requests.")
    await send_json(send, error.status, refusal(error), headers=((b"allow", allowed),))


async def _no_such_path(send: Send, path: str) -> None:
    error = NoSuchPathError(f"There is nothing at {path[:200]!a}. /api/v1/openapi.json lists what there is.")
    await send_json(send, error.status, refusal(error))
