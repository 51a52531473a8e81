"""What one request may ask of the server, and how long it may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one server."""

    body_bytes: int = 8 << 20
    rows: int = 10_000
    body_seconds: float = 10.0  # for a request to come in whole
    answer_seconds: float = 30.0  # for a batch, or a version that has to be loaded first
    connections: int = 1_000
    idle_seconds: int = 75  # then a connection is closed; longer than the pools of clients keep theirs
    inline_rows: int = 64  # up to so many rows of a fast model are answered where requests are read
    waiting_batches: int = 32  # larger requests that may wait for a worker; more are turned away
    workers: int = 2
