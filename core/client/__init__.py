"""A client of model servers: ours, TensorFlow Serving, and every server of the Open Inference Protocol.

    with Client("http://127.0.0.1:8501") as client:
        answer = client.predict("spread", {"rating_num": 8, …})

client.py       the interface: one call with all its attempts
retry_policy.py time-outs and waits between attempts; breaker.py when to leave a server alone
wire.py         the operations of a dialect; json_rows.py, open_inference.py, tf_rest.py, tf_grpc.py implement them
http.py         one HTTP request; tf_messages.py the messages of TensorFlow Serving, without TensorFlow
answers.py      the answers, the same in every dialect; errors.py the exceptions
"""

from core.backoff import BackOff
from core.client.answers import Health, Metadata, Outcome, Prediction, Reported, TensorInfo, VersionState
from core.client.breaker import BreakerState, CircuitBreaker
from core.client.client import Client, ClientDialect
from core.client.errors import (
    BrokenAnswerError,
    CircuitOpenError,
    ClientError,
    ExtraMissingError,
    NotAllowedError,
    NotSpokenError,
    PeerBusyError,
    PeerFailedError,
    RejectedError,
    TimedOutError,
    TransientError,
    UnknownModelError,
    UnreachableError,
)
from core.client.retry_policy import Timeouts

__all__ = [
    "BackOff",
    "BreakerState",
    "BrokenAnswerError",
    "CircuitBreaker",
    "CircuitOpenError",
    "Client",
    "ClientDialect",
    "ClientError",
    "ExtraMissingError",
    "Health",
    "Metadata",
    "NotAllowedError",
    "NotSpokenError",
    "Outcome",
    "PeerBusyError",
    "PeerFailedError",
    "Prediction",
    "RejectedError",
    "Reported",
    "TensorInfo",
    "TimedOutError",
    "Timeouts",
    "TransientError",
    "UnknownModelError",
    "UnreachableError",
    "VersionState",
]
