"""Serving over HTTP and gRPC: predict dialects over one core, and the control API.

server.py      the server, in a thread; supervisor.py keeps several processes of it
app.py         routes by path; connection.py limits the time of each connection
predict.py     from a request's bytes to an answer; dialects/ parse requests and write answers, scoring/ computes
signature.py   the fields that a model reads, and the validation of requests against them
loading.py     the thread that keeps table.py, the versions served now, in step with the registry; routing.py rollouts
recording.py   predictions and outcomes on their way to telemetry; stats.py, counts.py and metrics.py the counters
access.py      tokens and roles; authenticator.py admits callers
reads.py       health, readiness, metrics, metadata
rpc/           the same over gRPC, an extra
control/       all other verbs of the console

Importing this package loads no web framework; the names below import their modules on first use.
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
