"""The image runs as docs/containers.md types it. `make imagetest` builds it, and names it in `BONDX_IMAGE`."""

import json
import os
import pty
import re
import shlex
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.packaging.container import ROOT, health_command, last
from tests.waiting import PATIENCE_SECONDS, until

IMAGE = os.environ.get("BONDX_IMAGE", "")
pytestmark = pytest.mark.skipif(not IMAGE, reason="make imagetest builds the image")
ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8501/health').status)"


def documented(beginning: str) -> list[str]:
    """Return the words of the one command of the page that begins so."""
    text = (ROOT / "docs" / "containers.md").read_text().replace("\\\n", " ")
    (found,) = (line for line in text.splitlines() if line.startswith(beginning))
    return shlex.split(found, comments=True)


class Engine:
    """The program that has the image, and what it starts under names of this test alone."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._suffix = uuid.uuid4().hex[:8]
        self.volume = f"bondx-{self._suffix}"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run([self._program, *words], capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    def name(self, container: str) -> str:
        """Return the name of this test for a container of the page."""
        return f"{container}-{self._suffix}"

    def documented(self, beginning: str) -> list[str]:
        """Return a command of the page with the program, image, names and a free port of this test."""
        words = documented(beginning)
        for container in ("bondx", "bondx-server"):
            if container in words:
                words[words.index(container)] = self.name(container)
                break
        ours = {
            "docker": self._program,
            "bondx-console:0.1.0": IMAGE,
            "bondx:/var/lib/bondx": f"{self.volume}:/var/lib/bondx",
            "127.0.0.1:8501:8501": "127.0.0.1::8501",
        }
        return [ours.get(word, word) for word in words]

    def type(self, beginning: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the page to its end."""
        return self.run(*self.documented(beginning)[1:])

    def inside(self, container: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container of the page."""
        return self.run("exec", self.name(container), *words)

    def clear(self) -> None:
        """Remove what this test made."""
        for container in ("bondx", "bondx-server"):  # podman removes none of a list with one that does not exist
            self.run("rm", "--force", self.name(container))
        self.run("volume", "rm", self.volume)


@pytest.fixture
def engine() -> Iterator[Engine]:
    programs = ("podman", "docker")
    found = [
        name
        for name in programs
        if subprocess.run([name, "image", "inspect", IMAGE], capture_output=True).returncode == 0
    ]
    if not found:
        pytest.skip(
            f"neither podman nor docker has the image {IMAGE}, and buildah alone starts no engine in the background"
        )
    engine = Engine(found[0])
    yield engine
    engine.clear()


def test_the_image_has_the_help_the_account_and_the_health_check(engine):
    (image,) = json.loads(engine.run("image", "inspect", IMAGE).stdout)
    config = image["Config"]
    assert (config["User"], config["StopSignal"]) == (last("USER").rest, last("STOPSIGNAL").rest)
    check = config.get("Healthcheck") or image.get("Healthcheck")  # of docker, of podman
    assert check is not None, "the image has lost its health check: podman and buildah need --format docker"
    assert check["Test"] == ["CMD", *health_command()]
    shown = engine.run("run", "--rm", IMAGE, "--help")
    assert (shown.returncode, "usage: bondx" in shown.stdout) == (0, True), shown.stderr


def test_an_engine_that_does_not_run_is_not_healthy(engine):
    asked = engine.run("run", "--rm", IMAGE, *health_command()[1:])
    assert (asked.returncode, "bondx:" in asked.stderr) == (2, True), asked


def test_engine_server_and_console_run_as_documented_and_end_when_they_are_stopped(engine):
    started = engine.type("docker run --detach --name bondx ")
    assert started.returncode == 0, started.stderr
    until(lambda: engine.inside("bondx", *health_command()).returncode == 0, "a live engine")
    assert engine.inside("bondx", "id", "-u").stdout.strip() == last("USER").rest.partition(":")[0]
    assert engine.inside("bondx", "touch", "/etc/mine").returncode != 0
    assert "CapEff:\t0000000000000000" in engine.inside("bondx", "cat", "/proc/self/status").stdout

    serve = "docker run --detach --name bondx-server "
    assert engine.type(serve).returncode == 0
    assert engine.run("wait", engine.name("bondx-server")).stdout.strip() == "2"
    refused = engine.run("logs", engine.name("bondx-server"))
    assert "there is no valid token" in refused.stdout + refused.stderr
    assert engine.run("rm", engine.name("bondx-server")).returncode == 0
    made = engine.type("docker exec bondx bondx serve token create ")
    assert made.returncode == 0, made.stderr
    assert engine.type(serve).returncode == 0
    until(lambda: engine.inside("bondx-server", "python3", "-c", ASK).stdout == "200\n", "a server that answers")

    assert_the_console_opens(engine.documented("docker exec --interactive --tty bondx "))

    for name in map(engine.name, ("bondx-server", "bondx")):
        assert engine.run("stop", name).returncode == 0
        assert engine.run("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"
    assert engine.run("start", engine.name("bondx")).returncode == 0
    until(lambda: engine.inside("bondx", *health_command()).returncode == 0, "a live engine after a restart")
    assert "first-client" in engine.inside("bondx", "bondx", "serve", "token", "list").stdout


def assert_the_console_opens(command: list[str]) -> None:
    """Open a terminal, start the console in it, and leave it."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        try:
            while b"Overview" not in seen:
                seen += os.read(ours, 65_536)
            os.write(ours, b"q")
            while True:
                os.read(ours, 65_536)
        except OSError:  # the other end is closed
            assert b"Overview" in seen, re.sub(rb"\x1b\[[^a-zA-Z]*[a-zA-Z]", b"", seen)
        finally:
            os.close(ours)
        assert process.wait(PATIENCE_SECONDS) == 0
