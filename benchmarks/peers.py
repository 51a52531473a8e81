"""The environment with MLServer and MLflow that `make interop` installs, and its use in benchmarks."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-interop" / "peers" / "bin" / "python"


def add_peers_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peers", type=Path, default=PEERS, help="Python of an environment with MLServer and MLflow (make interop)"
    )


def has_peers(python: Path, what: str) -> bool:
    """Return whether the environment exists; if not, print to stderr how to install it."""
    if python.exists():
        return True
    print(f"{what} is not measured, because {python} does not exist; install it with: make interop", file=sys.stderr)
    return False


class MlflowPeer:
    """A process with MLflow and a SQLite store that handles one request at a time and reports its duration."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, verb: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, arguments]) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"MLflow ended during {verb}; its output is above")
        return json.loads(line)


@contextmanager
def mlflow_peer(python: Path, folder: Path) -> Iterator[MlflowPeer | None]:
    """Start MLflow; yield None where it is not installed."""
    if not has_peers(python, "MLflow"):
        yield None
        return
    command = [str(python.absolute()), str(HERE / "mlflow_peer.py"), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield MlflowPeer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
