"""Frames that no client's library sends, without a token: the server answers everybody else as before."""

import grpc
import pytest

from tests.core.serving.conftest import running
from tests.core.serving.rpc.asking import HEALTH, PREDICT, V2, Caller, tf_request
from tests.core.serving.rpc.frames import Wire
from tests.processes import free_port

OK, INVALID_ARGUMENT, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 0, 3, 13, 14, 16
LIVE, CHECK = (V2 + "ServerLive").encode(), HEALTH.encode()


@pytest.mark.parametrize(
    ("field", "status", "said"),
    [
        ((b"x-foo", "€".encode()), INVALID_ARGUMENT, "x-foo"),
        (("x-€".encode(), b"1"), INTERNAL, "Illegal header key"),  # as gRPC's library answers
        ((b"authorization", "Bearer €".encode()), UNAUTHENTICATED, "token"),
    ],
)
@pytest.mark.parametrize("path", [LIVE, CHECK, PREDICT.encode()])
def test_metadata_outside_latin_1_is_refused_by_name(served, both, rpc_port, path, field, status, said):
    with Wire(rpc_port) as wire:
        found, message = wire.status_of(wire.call(path, field, is_whole=True))
    assert (found, said in message) == (status, True)
    assert "Traceback" not in (served.logs_dir / "serve.err").read_text()


def test_a_probe_without_a_message_is_answered_before_it_has_one(both, rpc_port):
    with Wire(rpc_port) as wire:
        for name in (b"ServerLive", b"ServerReady", b"ServerMetadata"):
            stream = wire.call(V2.encode() + name)
            wire.begin_message(stream, 8 << 20, bytes(1_000))
            assert wire.status_of(stream)[0] == OK


def test_unfinished_probes_of_one_address_shut_nobody_out(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    with workspace.settings_file.open("a") as settings:
        settings.write("serving: {connections: 60, connections_by_peer: 50, body_seconds: 600}\n")
    port = free_port()
    with running(workspace, "--grpc-port", str(port)):
        wires = [Wire(port) for _ in range(2)]
        streams = [(wire, wire.call(CHECK)) for wire in wires for _ in range(90)]
        for wire, stream in streams:
            wire.begin_message(stream, 8 << 20, bytes(100))
        caller = Caller(port)
        assert caller.ask(HEALTH).code is grpc.StatusCode.OK
        assert caller.ask(PREDICT, tf_request("spread", rows_of("spread", 1))).code is grpc.StatusCode.OK
        refused = [wire.status_of(stream) for wire, stream in streams[:60]]  # the first have given way
        assert {status for status, _ in refused} == {UNAVAILABLE}
        caller.close()
        for wire in wires:
            wire.close()
