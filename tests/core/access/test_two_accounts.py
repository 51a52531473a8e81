"""Two real accounts on one host: the second does what its grants allow, by the socket and nowhere else."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from core.access import VerbClass
from core.access.principal import account_of
from core.governance import AuditLog
from core.serving.authenticator import Authenticator
from core.serving.errors import ForbiddenError, UnauthenticatedError
from core.serving.peer_accounts import PeerAccount
from core.state import Workspace
from tests.waiting import PATIENCE_SECONDS, until

OWNER, OTHER, STRANGER = account_of(os.getuid()), "nobody", "bin"

ASKER = """
import json, os, socket, sys
from http.client import HTTPConnection

class Door(HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

door, answers = sys.argv[1], []
for method, path, body in json.loads(sys.argv[2]):
    connection = Door(door)
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, {"content-type": "application/json", "x-forwarded-user": "daemon"})
    answer = connection.getresponse()
    text = answer.read().decode()
    answers.append([answer.status, json.loads(text) if text[:1] in "[{" else text])
print(json.dumps(answers))
"""

SNOOP = """
import fcntl, json, os, sys
root, pid = sys.argv[1], sys.argv[2]
state = os.path.join(root, "state")
def tried(name, act):
    try:
        act()
    except OSError as error:
        return [name, type(error).__name__]
    return [name, "done"]
print(json.dumps([
    tried("list", lambda: os.listdir(state)),
    tried("read", lambda: open(os.path.join(state, "access.json")).read()),
    tried("write", lambda: open(os.path.join(state, "access.json"), "w")),
    tried("make", lambda: open(os.path.join(state, "mine.json"), "w")),
    tried("replace", lambda: os.rename(state, state + ".old")),
    tried("lock", lambda: fcntl.flock(os.open(os.path.join(state, "access.json.lock"), os.O_RDONLY), fcntl.LOCK_EX)),
    tried("gate", lambda: fcntl.flock(os.open(os.path.join(state, "access.gate"), os.O_RDONLY), fcntl.LOCK_EX)),
    tried("keys", lambda: os.listdir(os.path.join(root, "keys"))),
    tried("audit", lambda: open(os.path.join(root, "audit", "audit.jsonl")).read()),
    tried("environment", lambda: open(f"/proc/{pid}/environ").read()),
    tried("descriptors", lambda: os.listdir(f"/proc/{pid}/fd")),
    tried("memory", lambda: open(f"/proc/{pid}/mem", "rb")),
    tried("signal", lambda: os.kill(int(pid), 0)),
    tried("socket", lambda: os.unlink(sys.argv[3])),
]))
"""


def run_as(account: str, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command as another account, without a right of this one."""
    return subprocess.run(
        [str(each) for each in command],
        user=account,
        group=pwd.getpwnam(account).pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@cache
def others_python() -> str | None:
    """Return a Python that the other accounts can run, if this process can be other accounts and there is one."""
    if os.getuid() != 0:
        return None
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            if all(run_as(account, candidate, "-c", "import json").returncode == 0 for account in (OTHER, STRANGER)):
                return candidate
        except (OSError, KeyError):
            continue
    return None


needs_accounts = pytest.mark.skipif(others_python() is None, reason="only root can be other accounts")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that others may enter, so that they reach the socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="bondx-accounts-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def bondx(place: Path) -> Callable[..., None]:
    """Return a function that runs a command of the owner on the owner's workspace."""

    def run(*arguments: str) -> None:
        assert main(["--workspace", str(place / "workspace"), *arguments]) == 0

    return run


@pytest.fixture
def serving(place: Path, bondx: Callable[..., None]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the owner's server at a socket; the other account has the role viewer."""
    root = Workspace.create(
        place / "workspace", settings_text='serving: {listen: "127.0.0.1:0", socket: ../door.sock}\n'
    ).root
    bondx("access", "grant", f"user:{OTHER}", "viewer")
    with (place / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cli.main", "--workspace", str(root), "serve"], stdout=log, stderr=log
        )

    def answers() -> bool:
        assert process.poll() is None, (place / "serve.log").read_text()
        with socket.socket(socket.AF_UNIX) as trial:
            listens = trial.connect_ex(str(place / "door.sock")) == 0
        return listens and asked(place, OWNER, ["GET", "/health", None])[0][0] == 200

    try:
        until(answers, "an answer at the socket")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def asked(place: Path, account: str, *requests: list[Any]) -> list[Any]:
    """Ask through the socket as an account; return status and content of each answer."""
    words = ["-c", ASKER, str(place / "door.sock"), json.dumps(requests)]
    if account == OWNER:
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    else:
        done = run_as(account, others_python(), *words)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


@needs_accounts
def test_another_account_does_what_its_grants_allow_and_nothing_else(serving, place, bondx):
    whoami, status, start, grant, glass = asked(
        place,
        OTHER,
        ["GET", "/api/v1/access/whoami", None],
        ["GET", "/api/v1/status", None],
        ["POST", "/api/v1/sessions", {"name": "mine"}],
        ["POST", "/api/v1/access/grants", {"principal": f"user:{OTHER}", "role": "admin"}],
        ["POST", "/api/v1/access/emergencies", {"reason": "I want to"}],
    )
    assert (whoami[0], whoami[1]["principal"], status[0]) == (200, f"user:{OTHER}", 200)
    assert [start[0], grant[0], glass[0]] == [403, 403, 403]

    bondx("access", "grant", f"user:{OTHER}", "operator")
    ((started, session),) = asked(place, OTHER, ["POST", "/api/v1/sessions", {"name": "mine"}])
    assert started == 201
    assert session["created_by"] == f"{OTHER}@{socket.gethostname()}"

    bondx("access", "revoke", f"user:{OTHER}")
    ((again, _),) = asked(place, OTHER, ["POST", "/api/v1/sessions", {"name": "again"}])
    assert again == 403

    records = AuditLog(Workspace(place / "workspace")).tail(100)
    verbs = [(record.verb, record.actor.partition("@")[0]) for record in records]
    assert ("access.refuse", OTHER) in verbs
    assert ("session.start", OTHER) in verbs
    assert ("session.start", OWNER) not in verbs


@needs_accounts
def test_an_account_without_a_grant_does_not_even_look(serving, place):
    for status, answer in asked(
        place, STRANGER, ["GET", "/api/v1/status", None], ["GET", "/api/v1/access", None], ["GET", "/v1/models", None]
    ):
        assert status in (403, 404), answer


@needs_accounts
def test_nobody_looks_at_the_port_without_a_token(serving, place):
    """Any account could connect there, and the kernel would not say which."""
    (port,) = until(lambda: re.findall(r"http://127\.0\.0\.1:(\d+)", (place / "serve.log").read_text()), "the port")[:1]
    for path, status in (("/api/v1/status", 401), ("/v1/models", 401), ("/health", 200)):
        connection = HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE_SECONDS)
        connection.request("GET", path)
        assert connection.getresponse().status == status, path
        connection.close()


@needs_accounts
def test_the_owner_needs_no_token_either(serving, place):
    ((status, own),) = asked(place, OWNER, ["GET", "/api/v1/access/whoami", None])
    assert (status, own["principal"], [right["role"] for right in own["rights"]]) == (200, f"user:{OWNER}", ["admin"])


@needs_accounts
def test_files_locks_and_the_process_of_the_owner_are_closed_to_others(serving, place):
    door = place / "door.sock"
    done = run_as(OTHER, others_python(), "-c", SNOOP, place / "workspace", serving.pid, door)
    assert done.returncode == 0, done.stderr
    results = dict(json.loads(done.stdout))
    assert set(results.values()) == {"PermissionError"}, results
    assert stat.S_ISSOCK(door.stat().st_mode)
    for folder in ("state", "audit", "keys", "telemetry", "logs", "artifacts"):
        assert stat.S_IMODE((place / "workspace" / folder).stat().st_mode) == 0o700


def test_without_grants_the_socket_admits_the_owner_of_the_folder_alone(workspace):
    """A workspace whose owner never granted anything is nobody else's, although anybody may connect."""
    keeper = Authenticator(workspace)
    admitted = keeper.admit({}, (PeerAccount(OWNER), 0), takes=VerbClass.ADMINISTER, is_read=False)
    assert admitted.actor.name == OWNER
    with pytest.raises(ForbiddenError, match="nobody has no role here"):
        keeper.admit({}, (PeerAccount("nobody"), 0), takes=VerbClass.VIEW, is_read=True)


def test_an_address_that_only_reads_like_an_account_is_none(workspace):
    with pytest.raises(UnauthenticatedError):
        Authenticator(workspace).admit({}, ("root", 0), takes=VerbClass.ADMINISTER, is_read=False)
