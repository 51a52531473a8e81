"""Prove backups on S3: s3fs against a server of moto, in the tested versions.

    python interop/backup_targets.py

`make interop` runs it in an environment with s3fs, moto and this package. Every printed line was proved in this run;
the first failure ends the script with exit code 1.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECRET = secrets.token_hex(20)
PLACE = "s3://safe/desk"
LIMIT_SECONDS = 300.0
BACK_UP = [sys.executable, "-m", "console.cli.main", "backup"]


def main() -> None:
    """Back up, harm, kill, compete and restore."""
    with tempfile.TemporaryDirectory() as name, s3_server(Path(name)) as endpoint:
        folder = Path(name)
        environment = os.environ | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "keeper",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "BACKUP_KEY": "a key of this proof alone",
        }
        os.environ.update(environment)
        import s3fs

        bucket = s3fs.S3FileSystem()
        workspace = folder / "workspace"
        run("init", "--workspace", workspace)
        rows = workspace / "datasets" / "rows.bin"
        rows.write_bytes(os.urandom(12 << 20))
        require("no such bucket" in run("backup", "--to", PLACE, *key(workspace), code=2), "a missing bucket")
        bucket.mkdir("safe")
        first = run("backup", "--to", PLACE, *key(workspace)).split()[0]
        again = run("backup", "--to", PLACE, *key(workspace))
        require(f"{first}: intact" in run("backup", "verify", "--from", PLACE, *key(workspace)), "the first backup")
        proved(f"a first encrypted backup on S3 is verified, and the next one adds little: {again.splitlines()[1]}")

        n_killed = killed_backups(workspace, rows)
        rows.write_bytes(os.urandom(4 << 20))
        last = run("backup", "--to", PLACE, "--keep", "3", *key(workspace)).split()[0]
        verified = run("backup", "verify", "--from", PLACE, *key(workspace))
        require(verified.count(": intact") == 3 and last in verified, verified)
        proved(f"{n_killed} backups killed by SIGKILL leave all earlier ones intact, and the next one is whole")

        racing = [start("backup", "--to", PLACE, *key(workspace_of(folder, n))) for n in range(3)]
        ended = [(process.wait(LIMIT_SECONDS), said(process)) for process in racing]
        require({code for code, _ in ended} <= {0, 4} and any(code == 0 for code, _ in ended), ended)
        verified = run("backup", "verify", "--from", PLACE, *key(workspace))
        require(all(text.split()[0] in verified for code, text in ended if code == 0), (ended, verified))
        proved(f"of three writers at once {sum(not code for code, _ in ended)} finished, and what finished is intact")

        run("restore", last, "--from", PLACE, "--workspace", folder / "back", *key(None))
        require((folder / "back/datasets/rows.bin").read_bytes() == rows.read_bytes(), "the restored rows")
        proved("the backup is restored, verified, with the same bytes")

        for harm in ("cut short", "altered", "removed"):
            place = max(bucket.find("safe/desk/objects"), key=bucket.size)
            content = bucket.cat_file(place)
            harmed = {"cut short": content[:-1], "altered": bytes([content[0] ^ 1]) + content[1:]}.get(harm)
            bucket.rm_file(place) if harmed is None else bucket.pipe_file(place, harmed)
            found = run("backup", "verify", "--from", PLACE, *key(workspace), code=1)
            require(f"s3://{place}" in found, found)
            bucket.pipe_file(place, content)
        proved("content cut short, altered and removed on S3 is found, and named by its address")

        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
        found = run("backup", "verify", "--from", PLACE, *key(workspace), code=2)
        require("Could not connect" in found and "damaged" not in found, found)
        proved("a server that does not answer is no damage")


def killed_backups(workspace: Path, rows: Path) -> int:
    """Kill backups at several moments, and return how many ended by it."""
    n_killed = 0
    for number in range(6):
        rows.write_bytes(os.urandom(12 << 20))
        process = start("backup", "--to", PLACE, *key(workspace))
        time.sleep(1.5 + 0.5 * number)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        n_killed += process.wait() == -signal.SIGKILL
    require(n_killed > 0, "no backup was killed")
    return n_killed


def workspace_of(folder: Path, number: int) -> Path:
    """Make one more workspace."""
    workspace = folder / f"workspace-{number}"
    run("init", "--workspace", workspace)
    (workspace / "datasets" / "more.bin").write_bytes(os.urandom(2 << 20))
    return workspace


def key(workspace: Path | None) -> list[str | Path]:
    """Name the workspace and the key."""
    return [*(["--workspace", workspace] if workspace else []), "--key-env", "BACKUP_KEY"]


def start(*words: str | Path) -> "subprocess.Popen[str]":
    """Start a command."""
    command = [*BACK_UP[:-1], *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(*words: str | Path, code: int = 0) -> str:
    """Run a command that ends with a code, and return what it said."""
    process = start(*words)
    text = said(process)
    require(process.wait(LIMIT_SECONDS) == code, f"{words} ended with {process.returncode}: {text}")
    return text


def said(process: "subprocess.Popen[str]") -> str:
    """Return what a command said, which holds no secret."""
    text = process.communicate(timeout=LIMIT_SECONDS)[0]
    require(SECRET not in text, "a secret was shown")
    return text


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Serve S3 in a process of its own."""
    port = free_port()
    words = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log) as server:
        try:
            until = time.monotonic() + LIMIT_SECONDS
            while time.monotonic() < until:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def free_port() -> int:
    """Find a free port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def proved(what: str) -> None:
    """Print a proved statement."""
    print(f"proved: {what}", flush=True)


def require(holds: object, problem: object) -> None:
    """End the script where something does not hold."""
    if not holds:
        sys.exit(f"backups on S3: {problem}")


if __name__ == "__main__":
    main()
