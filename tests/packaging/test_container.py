"""The container file builds what the wheel holds, from pins; what it starts works without rights on a read-only root.

No engine of containers is needed: the account, the read-only root and the volume are made with mount namespaces.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.cli.main import build_parser
from core.settings.serving import ServingSettings
from core.system_libraries import LIBRARIES
from tests.packaging.container import FILE, ROOT, environment, health_command, last, stages
from tests.waiting import PATIENCE_SECONDS, until
from tools.release import PACKAGES, check_contents

VOLUME = Path("/mnt")  # in the place of the volume of the image
_NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = (sys.executable, f"/usr/bin/{_NAME}", f"/usr/local/bin/{_NAME}")  # one may lie in a folder of root
LIMITED = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
CLOSE = """
set -e
mount --make-rprivate /
mount --bind "$1" /mnt
mount -t tmpfs -o mode=1777 tmpfs /tmp
awk '$5 !~ "^/(mnt|tmp|proc|sys|dev)(/|$)" { print $5 }' /proc/self/mountinfo | while read -r place; do
    mount -o remount,bind,ro "$(printf %b "$place")"
done
echo closed
exec sleep infinity
"""


def test_the_wheel_of_the_image_is_built_from_what_is_copied_alone(tmp_path):
    (tmp_path / "src").mkdir()
    for instruction in stages()[0]:
        if instruction.word == "COPY":
            *sources, target = instruction.words
            for source in sources:
                kept = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True).stdout
                assert kept, f"{source} is not in the repository"
                for name in kept.splitlines():
                    place = tmp_path / "src" / target / Path(name).relative_to(source if target != "./" else ".")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, place)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*command, str(tmp_path / "src")], check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    check_contents(ROOT, wheel)
    assert {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()} > set(PACKAGES)


def test_every_package_of_the_image_is_pinned():
    build, image = stages()
    constrained = " ".join(each.rest for each in build if each.word == "ENV")
    assert "PIP_CONSTRAINT=/src/constraints.txt" in constrained
    assert "PIP_BUILD_CONSTRAINT=/src/constraints.txt" in constrained
    assert "pip install" not in " ".join(each.rest for each in image)
    assert not [each for stage in stages() for each in stage if each.word == "ADD"]


def test_the_base_of_both_stages_is_one_argument():
    assert [each.rest for each in stages()[0] if each.word == "ARG"] == [
        "BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm"
    ]
    assert [each.rest for stage in stages() for each in stage if each.word == "FROM"] == [
        "${BASE_IMAGE} AS build",
        "${BASE_IMAGE}",
    ]


def test_the_image_has_every_library_that_wheels_expect():
    (installed,) = re.findall(r"--no-install-recommends (.*?) &&", " ".join(last("RUN").rest.split()))
    assert {library.debian for library in LIBRARIES} <= set(installed.split())


def test_the_account_has_a_name_and_no_rights():
    user, group = last("USER").rest.split(":")
    assert int(user) > 1_000
    assert f"useradd --uid {user} --gid {group} " in last("RUN").rest
    assert not re.search(r"chmod|sudo|setcap", FILE.read_text())


def test_the_workspace_is_on_the_volume():
    (volume,) = last("VOLUME").words
    assert Path(environment()["BONDX_HOME"]).parent == Path(volume)
    assert last("WORKDIR").rest == volume
    assert f"--owner bondx --group bondx {volume}" in last("RUN").rest


def test_the_commands_of_the_image_exist():
    assert last("ENTRYPOINT").words == ["bondx"]
    build_parser().parse_args(last("CMD").words)
    program, *words = health_command()
    assert program == "bondx"
    build_parser().parse_args(words)
    assert last("EXPOSE").rest == ServingSettings().listen.rpartition(":")[2]


class Container:
    """A namespace whose root is read-only but for a volume and `/tmp`."""

    def __init__(self, process: subprocess.Popen[str], python: str) -> None:
        self._enter = ["nsenter", "--mount", f"--target={process.pid}", "--wd=/"]
        self._python = python

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs words in it, without rights, in the environment of the image."""
        told = {
            **environment(),
            "BONDX_HOME": str(VOLUME / Path(environment()["BONDX_HOME"]).name),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
        }
        pairs = [f"{name}={value}" for name, value in told.items()]
        program = [self._python, "-m", "console.cli.main", *words[1:]] if words[0] == "bondx" else words
        return [*self._enter, *LIMITED, "env", "--ignore-environment", f"--chdir={VOLUME}", *pairs, *program]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def container(tmp_path_factory) -> Iterator[Container]:
    if os.geteuid() != 0 or shutil.which("nsenter") is None or shutil.which("setpriv") is None:
        pytest.skip("only root makes namespaces with nsenter and setpriv")
    volume = tmp_path_factory.mktemp("volume")
    shutil.chown(volume, "root", "nogroup")  # as Kubernetes hands over a volume: of root, and of the group of the pod
    volume.chmod(0o2775)
    command = ["unshare", "--mount", "bash", "-c", CLOSE, "bash", str(volume)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline() != "closed\n":
                process.kill()
                pytest.skip(f"this machine makes no such namespace: {process.stderr.read()}")
            made = (Container(process, python) for python in PYTHONS)
            found = next((each for each in made if each.run("bondx", "--version").returncode == 0), None)
            if found is None:
                pytest.skip("another account can run none of the Pythons, or cannot read this environment")
            yield found
        finally:
            process.kill()


def test_the_root_is_read_only_and_the_account_has_no_rights(container):
    for place in ("/etc", "/var/tmp", str(ROOT), "/root"):
        assert container.run("touch", f"{place}/mine").returncode != 0
    assert "CapEff:\t0000000000000000" in container.run("cat", "/proc/self/status").stdout
    assert "NoNewPrivs:\t1" in container.run("cat", "/proc/self/status").stdout


@pytest.mark.journey
def test_engine_and_server_work_on_a_read_only_root(container):
    assert container.run("bondx", "init").returncode == 0
    engine = container.start("bondx", *last("CMD").words)
    server = None
    try:
        until(lambda: container.run(*health_command()).returncode == 0 or engine.poll() is not None, "a live engine")
        assert engine.poll() is None, engine.stdout.read()
        serve = ("bondx", "serve", "--workers", "2", "--listen", "0.0.0.0:0")
        refused = container.run(*serve)
        assert (refused.returncode, "there is no valid token" in refused.stderr) == (2, True), refused.stderr
        made = container.run("bondx", "serve", "token", "create", "probe", "--role", "viewer")
        assert made.returncode == 0, made.stderr
        server = container.start(*serve)
        (port,) = re.findall(r"0\.0\.0\.0:(\d+)", server.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200
    finally:
        for process in filter(None, (server, engine)):
            process.send_signal(getattr(signal, last("STOPSIGNAL").rest))
            out, _ = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, out
