"""The `serving` block: where the API listens, and what one request may ask of it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ServingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `bondx serve` and `bondx run --api` go by; command-line flags win over it."""

    listen: Annotated[
        str,
        Meta(pattern=r"^(.*:)?[0-9]{1,5}$", description="HOST:PORT to listen on; without a host this machine only."),
    ] = "127.0.0.1:8501"
    record_predictions: Annotated[
        bool, Meta(description="Keep predictions, for rollouts to be judged by and outcomes to be joined to.")
    ] = True
    max_body_mib: Annotated[float, Meta(gt=0, le=1024, description="Largest body of a request, MiB.")] = 8.0
    max_rows: Annotated[int, Meta(ge=1, le=1_000_000, description="Most rows of a request.")] = 10_000
    body_seconds: Annotated[float, Meta(gt=0, le=3600, description="For a request to come in whole.")] = 10.0
    answer_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="To answer a batch, or one that has to load its version first.")
    ] = 30.0
    connections: Annotated[int, Meta(ge=1, le=100_000, description="Most connections at a time.")] = 1_000
    idle_seconds: Annotated[
        int, Meta(ge=1, le=3600, description="After which a connection that rests is closed; longer than clients wait.")
    ] = 75
    inline_rows: Annotated[
        int, Meta(ge=0, le=10_000, description="Up to so many rows of a fast model are answered where they are read.")
    ] = 64
    waiting_batches: Annotated[
        int, Meta(ge=1, le=10_000, description="Larger requests that may wait for a worker; more are turned away.")
    ] = 32
    workers: Annotated[int, Meta(ge=1, le=64, description="Threads that answer larger requests.")] = 2
