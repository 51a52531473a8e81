"""Load on an HTTP server: for some seconds, each connection sends the next request as soon as it has its answer.

The load generator is `wrk` where it is installed, because a Python client uses as much CPU as the server and so takes a
core from it; else it is our own process with bare sockets. Figures of the two generators cannot be compared.
"""

import multiprocessing
import selectors
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

WRK, OWN = "wrk", "python"
N_WARMING = 50
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
function done(summary, latency)
  local bad = summary.errors
  print(string.format('{"n": %%d, "us": %%d, "p50_us": %%d, "p99_us": %%d, "n_bad": %%d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), bad.status + bad.read + bad.write + bad.timeout))
end
"""


@dataclass(frozen=True)
class Question:
    """A request, and the server it goes to."""

    port: int
    path: str
    body: dict[str, Any]

    @property
    def content(self) -> bytes:
        return msgspec.json.encode(self.body)

    @property
    def request(self) -> bytes:
        head = f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(self.content)}\r\n\r\n".encode() + self.content


def generator() -> str:
    """Name this machine's load generator."""
    return WRK if shutil.which(WRK) else OWN


def ask(question: Question, n_connections: int, seconds: float, by: str) -> dict[str, float]:
    """Load one server for some seconds from a separate process; return `rps`, `p50_ms` and `p99_ms`."""
    warm(question)
    return (_by_wrk if by == WRK else _by_sockets)(question, n_connections, seconds)


def warm(question: Question) -> bytes:
    """Send requests until everything is warm; return the last answer."""
    with socket.create_connection(("127.0.0.1", question.port)) as connection:
        for _ in range(N_WARMING):
            connection.sendall(question.request)
            answer = b""
            while not is_whole(answer):
                answer += connection.recv(65536)
            if b" 200 " not in answer[:16]:
                raise SystemExit(f"{question.path} fails: {answer.decode()}")
    return answer.partition(b"\r\n\r\n")[2]


def _by_wrk(question: Question, n_connections: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(SCRIPT % question.content.decode())
        url = f"http://127.0.0.1:{question.port}{question.path}"
        command = [WRK, "-t1", f"-c{n_connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = msgspec.json.decode(done.stdout.strip().splitlines()[-1])
    if found["n_bad"]:
        raise SystemExit(f"{found['n_bad']} requests to {question.path} failed")
    return {
        "rps": round(found["n"] / found["us"] * 1e6, 0),
        "p50_ms": round(found["p50_us"] / 1e3, 3),
        "p99_ms": round(found["p99_us"] / 1e3, 3),
    }


def _by_sockets(question: Question, n_connections: int, seconds: float) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        durations = pool.apply(client, (question.port, question.request, n_connections, seconds))
    ordered = sorted(durations)
    return {
        "rps": round(len(ordered) / seconds, 0),
        "p50_ms": round(statistics.median(ordered) * 1000, 3),
        "p99_ms": round(ordered[int(0.99 * len(ordered))] * 1000, 3),
    }


def client(port: int, request: bytes, n_connections: int, seconds: float) -> list[float]:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(n_connections)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    durations: list[float] = []
    clock, note = time.perf_counter, durations.append
    end = clock() + seconds
    if n_connections == 1:
        (connection,) = connections
        send, receive = connection.sendall, connection.recv
        while (begin := clock()) < end:
            send(request)
            answer = receive(65536)
            while not is_whole(answer):
                answer += receive(65536)
            note(clock() - begin)
        return durations
    begun: dict[socket.socket, float] = {}
    parts: dict[socket.socket, bytes] = dict.fromkeys(connections, b"")
    with selectors.EpollSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
            begun[connection] = clock()
            connection.sendall(request)
        while clock() < end:
            for key, _ in selector.select():
                connection = key.fileobj  # type: ignore[assignment]
                parts[connection] += connection.recv(65536)
                if not is_whole(parts[connection]):
                    continue
                parts[connection] = b""
                now = clock()
                note(now - begun[connection])
                begun[connection] = now
                connection.sendall(request)
    return durations


def is_whole(answer: bytes) -> bool:
    """Return whether an answer has arrived completely."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = answer.find(b"content-length: ") + 16
    return len(answer) >= head + 4 + int(answer[length : answer.find(b"\r", length)])
