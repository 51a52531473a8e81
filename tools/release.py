"""Prepare a release: `make release VERSION=0.2.0`. Nothing is published; the last line shows the next manual step.

The checks: the tree is clean, the version is newer than every tag and is in pyproject.toml and at the top of the
changelog, the installed packages are the pinned ones, two builds of the source archive and of the wheel from it have
the same bytes, and the wheel works in its own environment: it contains every tracked file of the packages and no other
file, and its commands print their version. The bill of materials is written beside them.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from core.files import digest
from core.maintenance.library_versions import pinned_versions
from tools.bill_of_materials import bill_of_materials
from tools.dependencies import Dependency, NotInstalledError, closure, project

ROOT = Path(__file__).parents[1]
PACKAGES = ("bondx", "console", "core", "sample_configs", "themes", "widgets")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
BESIDE = re.compile(r"\.dist-info/|\.data/data/share/")
"""What a wheel holds beside the packages: its metadata, and the pages and scripts of `hatch_build.py`."""

HEADING = re.compile(r"^## (?P<version>\S+) \((?P<date>unreleased|\d{4}-\d{2}-\d{2})\)$", re.MULTILINE)


class ReleaseError(Exception):
    """The release is not ready; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Check a release and build it into ./dist; return 1 if it is not ready."""
    parser = argparse.ArgumentParser(prog="make release VERSION=X.Y.Z", description="Check and build a release.")
    parser.add_argument("version", help="the version of the release, as in pyproject.toml")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="folder for the archive, the wheel and the bill"
    )
    options = parser.parse_args(arguments)
    try:
        check_tree(ROOT)
        check_version(ROOT, options.version)
        check_changelog((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), options.version)
        check_pins(closure(project()["dependencies"]), pinned_versions())
        sdist, wheel = build_twice(ROOT, options.out)
        check_contents(ROOT, wheel)
        check_commands(wheel, options.version)
        bill = write_bill(options.out, (sdist, wheel), at=commit_time(ROOT))
    except (ReleaseError, NotInstalledError) as error:
        print(f"not ready: {error}", file=sys.stderr)
        return 1
    for file in (sdist, wheel, bill):
        print(f"{digest(file.read_bytes())}  {file}")
    print(f"ready. Tag it: git tag --sign v{options.version} --message 'BondX Console {options.version}'")
    return 0


def check_tree(root: Path) -> None:
    """Refuse a tree with uncommitted changes."""
    if changed := git(root, "status", "--porcelain"):
        raise ReleaseError(f"commit or remove uncommitted changes: {changed.splitlines()[0].strip()}")


def check_version(root: Path, version: str) -> None:
    """Refuse a version that is malformed, is not in pyproject.toml, or is not newer than every tag."""
    if VERSION.fullmatch(version) is None:
        raise ReleaseError(f"{version} is not a version; write three numbers with dots, such as 0.2.0")
    stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if stated != version:
        raise ReleaseError(f"pyproject.toml states {stated}, not {version}: change it there and commit")
    released = [tag[1:] for tag in git(root, "tag", "--list", "v*").split() if VERSION.fullmatch(tag[1:])]
    if released and numbers(version) <= max(map(numbers, released)):
        raise ReleaseError(f"{version} is not newer than {max(released, key=numbers)}, the newest tag")


def check_changelog(text: str, version: str) -> None:
    """Refuse a changelog whose newest section belongs to another version or is empty."""
    newest = HEADING.search(text)
    if newest is None or newest["version"] != version:
        found = newest["version"] if newest else "nothing"
        raise ReleaseError(f"the newest section of CHANGELOG.md is {found}: add '## {version} (unreleased)'")
    following = HEADING.search(text, newest.end())
    if "\n- " not in text[newest.end() : following.start() if following else len(text)]:
        raise ReleaseError(f"the section {version} of CHANGELOG.md is empty")


def check_pins(found: Mapping[str, Dependency], pins: Mapping[str, str]) -> None:
    """Refuse an environment whose packages are not those of constraints.txt: the bill of materials lists them."""
    for name, each in found.items():
        if each.version != pins.get(name):
            pinned = f"constraints.txt pins {pins[name]}" if name in pins else "constraints.txt does not pin it"
            raise ReleaseError(f"{name} {each.version} is installed, but {pinned}: pin it, then run make install")


def write_bill(out: Path, files: Iterable[Path], *, at: datetime) -> Path:
    """Write the bill of materials of these files beside them."""
    stated = project()
    bill = out / f"{stated['name']}-{stated['version']}.cdx.json"
    bill.write_text(bill_of_materials(stated, files, at=at), encoding="utf-8")
    return bill


def commit_time(root: Path) -> datetime:
    """Return the time of the commit that is released."""
    return datetime.fromtimestamp(int(git(root, "log", "-1", "--format=%ct")), UTC)


def build_twice(root: Path, out: Path) -> tuple[Path, Path]:
    """Build the source archive and the wheel twice from the commit, compare the bytes, and keep the first ones."""
    stamp = f"{commit_time(root).timestamp():.0f}"
    with tempfile.TemporaryDirectory() as scratch:
        first, second = (build(root, Path(scratch) / name, stamp) for name in ("first", "second"))
        for one, other in zip(first, second, strict=True):
            if one.read_bytes() != other.read_bytes():
                raise ReleaseError(f"two builds of {one.name} differ: the build depends on the clock or the folder")
        out.mkdir(parents=True, exist_ok=True)
        for one in first:
            (out / one.name).write_bytes(one.read_bytes())
        sdist, wheel = (out / one.name for one in first)
    return sdist, wheel


def build(root: Path, out: Path, stamp: str) -> tuple[Path, Path]:
    """Build the source archive, and from it alone the wheel."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(root)]
    run(command, env={**os.environ, "SOURCE_DATE_EPOCH": stamp})
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def check_contents(root: Path, wheel: Path) -> None:
    """Refuse a wheel that lacks a tracked file of the packages, or contains any other file."""
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = set(git(root, "ls-files", *PACKAGES).splitlines())
    if lacking := sorted(tracked - names):
        raise ReleaseError(f"the wheel lacks {lacking[0]}")
    strangers = sorted(name for name in names if name.split("/")[0] not in PACKAGES and not BESIDE.search(name))
    if strangers:
        raise ReleaseError(f"the wheel contains {strangers[0]}, which does not belong in it")


def check_commands(wheel: Path, version: str) -> None:
    """Install the wheel into its own environment and check the version that its commands print.

    The dependencies come from this environment, so nothing is downloaded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, symlinks=True)
        python = Path(scratch) / "bin" / "python"
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(python),
                "install",
                "--quiet",
                "--no-deps",
                "--no-index",
                wheel,
            ]
        )
        site = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
        here = run([sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
        Path(site, "dependencies.pth").write_text(f"{here}\n", encoding="utf-8")
        for command in ("bondx", "bondx-mlops"):
            answered = run([str(python.parent / command), "--version"]).strip()
            if answered != f"{command} {version}":
                raise ReleaseError(f"{command} --version prints {answered!r} from the wheel")


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which sort like versions.

    >>> numbers("1.10.0") > numbers("1.9.0")
    True
    """
    return tuple(map(int, version.split(".")))


def git(root: Path, *words: str) -> str:
    """Run git on the tree and return its output."""
    return run(["git", "-C", str(root), *words]).strip()


def run(command: list[str | Path], env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output.

    Raises:
        ReleaseError: The command failed; the message has the last line of its output.
    """
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ReleaseError(f"{Path(str(command[0])).name} failed: {said[-1] if said else done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
