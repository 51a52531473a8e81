"""The script that builds the image, with stand-ins for podman, buildah and docker."""

import os
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.packaging.container import stages

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
ENGINES = ("podman", "buildah", "docker")


class Machine:
    """A machine on which some of the three programs work, while the others cannot even say what they are."""

    def __init__(self, folder: Path, *working: str) -> None:
        self._folder = folder
        for name in ENGINES:
            self._program(
                name, f'[ "$1" = info ] || echo {name} "$@" >>{folder}/asked' if name in working else "exit 1"
            )
        self._program("mmdebstrap", f'echo mmdebstrap "$@" >>{folder}/asked')

    def image(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self._folder}:{os.environ['PATH']}"}
        command = ["make", "--no-print-directory", "image", f"ARGS={' '.join(words)}"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    @property
    def asked(self) -> list[list[str]]:
        log = self._folder / "asked"
        return [shlex.split(line) for line in log.read_text().splitlines()] if log.exists() else []

    def _program(self, name: str, body: str) -> None:
        file = self._folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)


@pytest.mark.parametrize(
    ("working", "begins"),
    [
        pytest.param(ENGINES, ["podman", "build", "--format", "docker"], id="all"),
        pytest.param(("buildah",), ["buildah", "build-using-dockerfile", "--format", "docker"], id="buildah"),
        pytest.param(("docker",), ["docker", "build", "--file"], id="docker"),
    ],
)
def test_the_first_program_that_works_builds_with_the_health_check(tmp_path, working, begins):
    machine = Machine(tmp_path, *working)
    done = machine.image("--build-arg", "BASE_IMAGE=registry.example/python:3.11")
    assert done.returncode == 0, done.stderr
    (command,) = machine.asked
    assert command[: len(begins)] == begins
    assert command[-7:] == [
        *("--file", "deploy/Containerfile", "--tag", f"bondx-console:{VERSION}"),
        *("--build-arg", "BASE_IMAGE=registry.example/python:3.11", "."),
    ]


def test_where_nothing_builds_images_one_sentence_says_what_to_install(tmp_path):
    done = Machine(tmp_path).image()
    assert done.returncode != 0
    said = done.stderr.splitlines()[0]
    assert said == (
        "image: no podman, buildah or docker that works is on this machine: "
        "install one (on Debian: apt-get install buildah), or start the daemon of docker"
    )


def test_the_base_can_be_made_from_packages_of_debian(tmp_path):
    machine = Machine(tmp_path, "buildah")
    done = machine.image("--debian")
    assert done.returncode == 0, done.stderr
    made, base, image = machine.asked
    assert made[0] == "mmdebstrap"
    assert {"python3", "python3-venv"} <= set(made[4].removeprefix("--include=").split(",")), made
    tag = base[base.index("--tag") + 1]
    assert f"BASE_IMAGE={tag}" in image


@pytest.mark.parametrize("pip", ["exit 0", "exit 1"], ids=["without a file", "not there"])
def test_a_pip_that_nothing_configures_ends_no_script(tmp_path, pip):
    (tmp_path / "python3").write_text(f"#!/bin/sh\n{pip}\n")
    (tmp_path / "python3").chmod(0o755)
    script = "set -euo pipefail; source tools/pip_configuration.sh; pip_files; pip_paths; echo next"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "next\n"), done.stderr


def test_docker_cannot_make_the_base(tmp_path):
    done = Machine(tmp_path, "docker").image("--debian")
    assert done.returncode != 0
    assert "--debian needs podman or buildah" in done.stderr


def test_the_build_sees_what_the_container_file_copies_and_nothing_else():
    copied = {
        source
        for each in stages()[0]
        if each.word == "COPY"
        for source in each.words[:-1]
        if not source.startswith("-")
    }
    seen = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert seen == copied
