"""Serving over gRPC, beside HTTP and through the same machinery: rollouts, limits, tokens, telemetry and counters.

server.py      the server, on the event loop of the HTTP server; ports.py reserves its port
calls.py       carries each call to its method: place, token, message, answer; codes.py has the status of each error
connections.py ends connections without a call where there are too many
incoming.py    how many messages are on their way at once; places.py how many calls are open
tf_serving.py  TensorFlow Serving's services, and tf_predict.py its dialect
inference.py   the Open Inference Protocol, and infer.py its dialect; inference_messages.py its messages
health.py      health checking

Only `ports` and this module may be imported without the extra `tf-serving` (gRPC and protobuf).
"""

from importlib.util import find_spec

from core.serving.errors import ListenError


def require_extra() -> None:
    """Refuse to serve over gRPC where it is not installed.

    Raises:
        ListenError: The extra is missing.
    """
    try:
        is_installed = all(find_spec(name) is not None for name in ("grpc", "google.protobuf"))
    except (ImportError, ValueError):  # the package above is missing, or is blocked
        is_installed = False
    if not is_installed:
        raise ListenError("gRPC is not installed, so there is no gRPC port: pip install 'bondx-console[tf-serving]'.")
