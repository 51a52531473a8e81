"""The gRPC port over the life of its processes: rollouts, restarts, stops, certificates, and why it may not open."""

import signal
import socket
import subprocess
import sys
import threading

import grpc
import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.clock import utc_now
from core.rollout import Strategy
from core.serving.access import Role, Tokens
from core.serving.errors import ListenError
from core.serving.rpc import ports, require_extra
from core.serving.rpc.ports import reserve
from core.telemetry.predictions import Arm, Cursor, PredictionReader
from tests.core.serving.conftest import running
from tests.core.serving.rpc.asking import HEALTH, PREDICT, Caller, tf_request
from tests.core.serving.test_workers import answered, workers_of
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

Code = grpc.StatusCode
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def test_a_rollout_splits_http_and_grpc_alike_and_records_both(workspace, rolling, rows_of):
    rollout = rolling(Strategy.AB, 0.5)
    (row,) = rows_of("spread", 1)
    port, token = free_port(), Tokens(workspace).create("caller", Role.VIEWER, actor=ANA)[1]
    with running(workspace, "--grpc-port", str(port)) as server:
        server.until(lambda: server.ask("/v1/models/spread/labels/candidate").json["ready"], "both versions")
        caller = Caller(port, token)
        server.token = token
        keys = [f"desk-{number}" for number in range(40)]
        body = {"instances": [row]}
        by_http = {
            key: server.ask("/v1/models/spread:predict", body, headers={"x-bondx-key": key}).headers["x-bondx-version"]
            for key in keys
        }
        content = tf_request("spread", [row])
        by_rpc = {key: caller.ask(PREDICT, content, x_bondx_key=key).fields["x-bondx-version"] for key in keys}
        assert by_rpc == by_http
        assert set(by_rpc.values()) == {"1.0.0", "1.1.0"}
        labelled = caller.ask(PREDICT, tf_request("spread", [row], version_label="candidate"))
        assert labelled.fields["x-bondx-version"] == "1.1.0"
        caller.close()
    served = (
        PredictionReader(workspace.predictions_file).read(rollout.rollout_id, Cursor(), settled_before=utc_now()).served
    )
    assert len(served) == 80
    on_candidate = sum(entry.arm is Arm.CANDIDATE for entry in served)
    assert on_candidate == 2 * list(by_http.values()).count("1.1.0")


@pytest.mark.journey
def test_workers_share_the_port_and_a_restart_answers_all_calls_that_a_worker_has(
    workspace, artifacts, put_live, rows_of
):
    put_live(workspace, "spread", artifacts / "spread")
    rows, port = rows_of("spread", 1), free_port()
    content, codes, stopping = tf_request("spread", rows), [], threading.Event()

    def hammer():
        caller = Caller(port, is_alone=True)
        while not stopping.is_set():
            codes.append(caller.ask(PREDICT, content).code)
            if codes[-1] is not Code.OK:  # the library would wait before it connects again, and hide a gap
                caller.close()
                caller = Caller(port, is_alone=True)
        caller.close()

    with running(workspace, "--workers", "2", "--grpc-port", str(port)) as server:
        server.until(lambda: len(workers_of(server.process)) == 2, "two workers")
        server.until(lambda: may_ask(port), "a gRPC server")
        before = set(workers_of(server.process))
        thread = threading.Thread(target=hammer)
        thread.start()
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: len(after := set(workers_of(server.process))) == 2 and not before & after, "new workers")
        n_codes = len(codes)
        server.until(lambda: len(codes) > n_codes + 20, "calls to the new workers")
        stopping.set()
        thread.join()
        # gRPC's library cancels a call that arrives before its caller has heard that the worker ends, and the system
        # resets a connection that the worker has not yet taken. The caller here has one call open at a time: at most
        # one of each kind for each of the two. A moment without a server would cost it many.
        lost = [code for code in codes if code is not Code.OK]
        assert set(lost) <= {Code.CANCELLED, Code.UNAVAILABLE}
        assert len(lost) <= 4
        assert codes[n_codes:].count(Code.OK) > 10
        server.until(lambda: answered(server) == len(codes) - len(lost), "the sum of all workers")
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody has it


def may_ask(port):
    caller = Caller(port)
    try:
        return caller.ask(HEALTH).code is Code.OK
    finally:
        caller.close()


@pytest.mark.journey
def test_a_call_is_computed_whether_its_caller_gives_up_or_the_server_stops(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    port = free_port()
    with workspace.settings_file.open("a") as settings:
        settings.write(f"serving: {{stop_seconds: {PATIENCE_SECONDS:g}}}\n")  # six batches may take long
    with running(workspace, "--grpc-port", str(port)) as server:
        caller = Caller(port)
        content = tf_request("spread", rows_of("spread", 1) * 9_000)  # for a worker
        given_up = caller.channel.unary_unary(PREDICT).future(content, timeout=PATIENCE_SECONDS)
        server.until(lambda: answered(server) or given_up.cancel(), "an end")
        assert caller.ask(PREDICT, content).code is Code.OK
        server.until(lambda: answered(server) in (9_000, 18_000), "the answers that were computed")
        calls = [caller.channel.unary_unary(PREDICT).future(content, timeout=PATIENCE_SECONDS) for _ in range(6)]
        until(calls[0].done, "the first answer")
        server.process.send_signal(signal.SIGTERM)
        assert {call.code() for call in calls} <= {Code.OK, Code.UNAVAILABLE}
        assert server.process.wait(PATIENCE_SECONDS) == 0
        caller.close()


def test_the_certificate_of_https_is_that_of_grpc(workspace, artifacts, put_live, rows_of, tmp_path):
    put_live(workspace, "spread", artifacts / "spread")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, "-keyout", str(key), "-out", str(chain)], check=True, capture_output=True)
    port = free_port()
    arguments = ["--certificate", str(chain), "--key", str(key), "--grpc-port", str(port)]
    process = subprocess.Popen(serve_command(workspace, *arguments), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f", gRPC on 127.0.0.1:{port}; stop" in process.stdout.readline()
        credentials = grpc.ssl_channel_credentials(chain.read_bytes())
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            ask = channel.unary_unary(PREDICT)
            content = tf_request("spread", rows_of("spread", 1))

            def is_answered():
                call = ask.future(content, timeout=PATIENCE_SECONDS)
                assert call.code() in (Code.OK, Code.UNAVAILABLE)
                return call.code() is Code.OK

            until(is_answered, "an answer over TLS")
    finally:
        process.terminate()
        assert process.wait() == 0
        process.stdout.close()


def serve_command(workspace, *arguments):
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", *arguments]
    return [*command, "--listen", "127.0.0.1:0"]


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_port_that_another_program_has_is_refused(workspace, workers):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            serve_command(workspace, "--grpc-port", str(port), *workers), capture_output=True, text=True
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Cannot listen for gRPC on 127.0.0.1:{port}: Address already in use." in done.stderr


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_without_the_extra_one_sentence_says_what_to_install(workspace, workers):
    script = "import sys; sys.modules['grpc'] = None; from console.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = serve_command(workspace, "--grpc-port", "0", *workers)[3:]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'bondx-console[tf-serving]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_setting_and_the_flag_have_one_range(workspace):
    done = subprocess.run(serve_command(workspace, "--grpc-port", "65536"), capture_output=True, text=True)
    assert (done.returncode, "--grpc-port 65536" in done.stderr) == (2, True)
    workspace.settings_file.write_text("serving: {grpc_port: -1}\n")
    done = subprocess.run(serve_command(workspace), capture_output=True, text=True)
    assert (done.returncode, "serving.grpc_port" in done.stderr) == (2, True)


def test_a_reserved_port_is_free_for_nobody_but_those_who_share_it():
    """Nobody listens on it yet: the workers of a server take seconds to start."""
    require_extra()
    port = free_port()
    with reserve("127.0.0.1", port):
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(ListenError, match=rf"gRPC on {host}:{port}: Address already in use\.$"):
                reserve(host, port)
        with pytest.raises(OSError, match="already in use"):
            socket.create_server(("127.0.0.1", port))
        with socket.socket() as worker:
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                worker.setsockopt(socket.SOL_SOCKET, option, 1)
            worker.bind(("127.0.0.1", port))
    with reserve("127.0.0.1", port):
        pass  # it is free again


def test_of_two_that_reserve_at_the_same_moment_one_gets_the_port(monkeypatch):
    """Both have seen that the port is free before either has it."""
    seen, bind = [], ports._bind

    def meanwhile(reserved, host, port):
        monkeypatch.setattr(ports, "_bind", bind)
        with pytest.raises(ListenError, match="already in use"):
            reserve(host, port)
        seen.append(port)
        bind(reserved, host, port)

    monkeypatch.setattr(ports, "_bind", meanwhile)
    with reserve("127.0.0.1", 0) as reserved:
        assert seen == [reserved.getsockname()[1]]


def test_a_port_is_had_while_connections_of_its_last_owner_rest_on_it():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as last, socket.create_connection(last.getsockname()) as client:
        last.accept()[0].close()  # this side closes first, and rests
        assert client.recv(1) == b""
    with reserve("127.0.0.1", port):
        pass


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_taken_port_is_named_with_its_flag_or_setting(workspace, workers, capsys):
    command, port = ["--workspace", str(workspace.root), "serve", *workers], free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert main([*command, "--listen", "127.0.0.1:0", "--grpc-port", str(port)]) == 2
        assert "The address is from --grpc-port: choose another one there" in capsys.readouterr().err
        workspace.settings_file.write_text(f"serving:\n  listen: '0'\n  grpc_port: {port}\n")
        assert main(command) == 2
        assert "bondx.yaml:3): choose another one there" in (said := capsys.readouterr().err)
        assert "The address is from serving.grpc_port (" in said
    for line, which in (
        (f"listen: '{port}'", "serving.listen ("),
        (f"listen: '0'\n  metrics_listen: '{port}'", "serving.metrics_listen name"),
    ):
        workspace.settings_file.write_text(f"serving:\n  grpc_port: {port}\n  {line}\n")
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "already in use. serving.grpc_port (" in said
        assert f" and {which}" in said
        assert " name the same port: choose another one for one of them." in said
