"""A real server process that listens for gRPC beside HTTP."""

from collections.abc import Iterator

import pytest

from core.state import Workspace
from tests.core.serving.conftest import RunningServer, running
from tests.core.serving.rpc.asking import Caller
from tests.processes import free_port


@pytest.fixture(scope="session")
def rpc_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def both(served: Workspace, rpc_port: int) -> Iterator[RunningServer]:
    """The HTTP side of a server of both."""
    with running(served, "--grpc-port", str(rpc_port)) as found:
        yield found


@pytest.fixture(scope="session")
def caller(both: RunningServer, rpc_port: int) -> Iterator[Caller]:
    found = Caller(rpc_port)
    yield found
    found.close()
