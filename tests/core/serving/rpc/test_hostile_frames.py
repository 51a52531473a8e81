"""Frames that no client's library sends, without a token: the server answers everybody else as before."""

import http.client
import json
import logging
from contextlib import ExitStack, suppress

import grpc
import pytest
from grpc._cython.cygrpc import ExecuteBatchError

from core.serving.errors import ListenError
from core.serving.rpc.server import RpcServer
from core.serving.server import Server
from tests.core.serving.conftest import running
from tests.core.serving.rpc.asking import HEALTH, PREDICT, V2, Caller, tf_request
from tests.core.serving.rpc.frames import GOAWAY, Wire
from tests.processes import free_port
from tests.waiting import until

OK, CANCELLED, INVALID_ARGUMENT, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 0, 1, 3, 13, 14, 16
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


def test_idle_connections_of_one_address_make_room(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    with workspace.settings_file.open("a") as settings:
        settings.write("serving: {connections: 60, connections_by_peer: 50, body_seconds: 600}\n")
    port = free_port()
    with running(workspace, "--grpc-port", str(port)), ExitStack() as stack:
        caller = Caller(port)
        content = tf_request("spread", rows_of("spread", 1))
        assert caller.ask(PREDICT, content).code is grpc.StatusCode.OK
        busy = stack.enter_context(Wire(port))
        assert busy.status_of(busy.call(CHECK, is_whole=True))[0] == OK  # from now on it is no idle connection
        open_call = busy.call(CHECK)
        wires = [stack.enter_context(Wire(port)) for _ in range(150)]
        until(lambda: sum(wire.is_closed() for wire in wires) >= 100, "the idle connections beyond 50 to be closed")
        assert caller.ask(PREDICT, content).code is grpc.StatusCode.OK
        assert is_answered(port)
        busy.end_with_message(open_call)
        assert busy.status_of(open_call)[0] == OK
        caller.close()


def test_after_a_path_that_is_not_utf_8_the_port_is_listened_on_again(workspace, artifacts, put_live):
    put_live(workspace, "spread", artifacts / "spread")
    with workspace.settings_file.open("a") as settings:
        # However slow this machine is, no time of the open call ends it.
        settings.write("serving: {body_seconds: 600, answer_seconds: 600}\n")
    port = free_port()
    with running(workspace, "--grpc-port", str(port)) as server, Wire(port) as patient:
        open_call = patient.call(CHECK)
        for _ in range(3):
            with Wire(port) as wire:
                wire.call(b"/\xff", is_whole=True)
                with suppress(ConnectionError):
                    while wire.next_frame()[0] != GOAWAY:
                        pass
            until(lambda: is_answered(port), "an answer")
        server.until(lambda: server.ask("/ready").status == 200, "being ready")
        patient.end_with_message(open_call)
        assert patient.status_of(open_call)[0] in {OK, CANCELLED}, "the library and we race to stop the old server"
    assert "Traceback" not in (workspace.logs_dir / "serve.err").read_text()


@pytest.mark.parametrize(("error", "is_logged"), [(ExecuteBatchError("it has left"), False), (KeyError("ours"), True)])
def test_a_caller_who_has_left_before_the_answer_leaves_no_traceback_in_the_log(error, is_logged, caplog):
    logging.getLogger("grpc._cython.cygrpc").error("raised in core by a method", exc_info=error)
    assert bool(caplog.records) == is_logged


def is_answered(port):
    try:
        with Wire(port) as wire:
            return wire.status_of(wire.call(CHECK, is_whole=True))[0] == OK
    except OSError:  # nobody listens, or it has just ended
        return False


def test_a_server_without_its_grpc_port_is_not_ready(workspace, artifacts, put_live, monkeypatch):
    put_live(workspace, "spread", artifacts / "spread")
    server = Server(workspace, "127.0.0.1", 0, rpc_port=0)
    server.start()
    connection = http.client.HTTPConnection(*server.url.removeprefix("http://").split(":"))

    def asked(path):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def ready():
        status, content = asked("/ready")
        return status, json.loads(content)

    try:
        until(lambda: ready()[0] == 200, "being ready")
        assert b"bondx_ready 1.0" in asked("/metrics")[1]
        started = RpcServer._started
        monkeypatch.setattr(RpcServer, "_started", lost)
        port = int(server.rpc_address.rpartition(":")[2])
        with Wire(port) as wire:
            wire.call(b"/\xff", is_whole=True)
            status, content = until(lambda: (found := ready())[0] == 503 and found, "being off")
        assert (status, content["ready"], content["grpc"]) == (503, False, False)
        assert b"bondx_ready 0.0" in asked("/metrics")[1]
        known = json.loads(asked("/api/v1/status")[1])
        assert (known["ready"], known["troubles"]) == (False, ["gRPC is off: nothing listens on its port"])
        monkeypatch.setattr(RpcServer, "_started", started)
        until(lambda: ready()[0] == 200, "being ready again")
        assert is_answered(port)
    finally:
        connection.close()
        server.stop()


async def lost(_server):
    raise ListenError("another program has it")
