"""The connections of a port of this process: those without a call make room, as for HTTP."""

import socket

import pytest

from core.serving.rpc.connections import RpcConnections
from tests.waiting import until


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as found:
        yield found


def connected(listener, n, *, host="127.0.0.1"):
    clients = [socket.create_connection(listener.getsockname(), source_address=(host, 0)) for _ in range(n)]
    return [(client, listener.accept()[0]) for client in clients]


def is_ended(client):
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def those_ended(pairs, n):
    """Return of each connection whether it is ended, once its client has heard of as many ends."""
    return until(lambda: sum(ended := [is_ended(client) for client, _ in pairs]) >= n and ended, "the ends")


def test_those_beyond_the_share_of_an_address_are_ended_the_unused_first(listener):
    connections = RpcConnections(listener.getsockname()[1], 100, 4)
    pairs = connected(listener, 4)
    assert connections.make_room() == 0
    with connections.used(pairs[0][0].getsockname()), connections.used(pairs[1][0].getsockname()):
        pass  # the second has rested shorter
    with connections.used(pairs[2][0].getsockname()):
        pairs += connected(listener, 3)
        assert connections.make_room() == 3
        ended = those_ended(pairs, 3)
        assert ended[:4] == [False, False, False, True]  # of those that never asked, the one seen first
        assert sum(ended) == 3
    for pair in pairs:
        for each in pair:
            each.close()


def test_those_beyond_the_places_are_ended_of_the_address_with_the_most(listener):
    connections = RpcConnections(listener.getsockname()[1], 4, 4)
    pairs = connected(listener, 3) + connected(listener, 4, host="127.0.0.2")
    assert connections.make_room() == 3
    ended = those_ended(pairs, 3)
    assert (sum(ended[:3]), sum(ended[3:])) in ((1, 2), (2, 1))
    for pair in pairs:
        for each in pair:
            each.close()
