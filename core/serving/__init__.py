"""Answering requests over HTTP: three predict dialects over one core, and the control API.

server.py      the whole, in a thread; app.py the front door; connection.py how long anybody may hold one
predict.py     from a request's bytes to an answer; dialects/ read requests and write answers, scoring/ computes
signature.py   what a model wants to be asked with, and the check of it
loading.py     the thread that keeps table.py, what is served now, in step with the registry; routing.py the rollouts
recording.py   predictions and outcomes on their way to telemetry; stats.py and metrics.py what is counted
access.py      tokens and roles; authenticator.py who may come in
reads.py       health, readiness, metrics, metadata
control/       everything else the console can do

Importing this package loads no web framework; the names below load what they need when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.serving.access import Role, Token, Tokens
    from core.serving.errors import ListenError, ServingError
    from core.serving.limits import ServingLimits
    from core.serving.server import Server, parse_address

__all__ = ["ListenError", "Role", "Server", "ServingError", "ServingLimits", "Token", "Tokens", "parse_address"]

_HOME = {
    "ServingLimits": "limits",
    "ListenError": "errors",
    "Role": "access",
    "Server": "server",
    "ServingError": "errors",
    "Token": "access",
    "Tokens": "access",
    "parse_address": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
