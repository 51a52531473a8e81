"""A release is refused until everything it needs is in place."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from tools import release
from tools.release import ReleaseError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository with one commit, tagged as 0.1.0."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0.2.0"\n')
    identity = ("-c", "user.name=ana", "-c", "user.email=ana@desk.example", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "First"), ("tag", "v0.1.0")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    return tmp_path


def test_the_next_version_may_be_released_if_pyproject_states_it(tree):
    release.check_tree(tree)
    release.check_version(tree, "0.2.0")


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        pytest.param("0.2", "0.2 is not a version", id="two numbers"),
        pytest.param("0.3.0", r"pyproject\.toml states 0\.2\.0, not 0\.3\.0", id="not the stated version"),
    ],
)
def test_a_version_that_pyproject_does_not_state_is_refused(tree, version, complaint):
    with pytest.raises(ReleaseError, match=complaint):
        release.check_version(tree, version)


def test_a_version_older_than_a_tag_is_refused(tree):
    subprocess.run(["git", "-C", str(tree), "tag", "v0.10.0"], check=True)

    with pytest.raises(ReleaseError, match=r"0\.2\.0 is not newer than 0\.10\.0"):
        release.check_version(tree, "0.2.0")


def test_an_uncommitted_file_is_named(tree):
    (tree / "new.py").write_text("")

    with pytest.raises(ReleaseError, match=r"commit or remove uncommitted changes: \?\? new\.py"):
        release.check_tree(tree)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("# Changelog\n", "newest section of CHANGELOG.md is nothing", id="no section"),
        pytest.param("## 0.1.0 (2026-01-01)\n\n- It runs.\n", "newest section of CHANGELOG.md is 0.1.0", id="old"),
        pytest.param(
            "## 0.2.0 (unreleased)\n\n## 0.1.0 (2026-01-01)\n\n- It runs.\n",
            "0.2.0 of CHANGELOG.md is empty",
            id="empty",
        ),
    ],
)
def test_a_changelog_without_a_section_for_the_version_is_refused(text, complaint):
    with pytest.raises(ReleaseError, match=complaint):
        release.check_changelog(text, "0.2.0")


def test_a_changelog_with_a_section_for_the_version_passes():
    release.check_changelog("# Changelog\n\n## 0.2.0 (unreleased)\n\n- It runs faster.\n", "0.2.0")


def test_two_builds_that_differ_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "git", lambda *_: "0")

    def build(_root, out, _stamp):
        out.mkdir()
        (out / "x.tar.gz").write_bytes(b"the same")
        (out / "x.whl").write_bytes(out.name.encode())
        return out / "x.tar.gz", out / "x.whl"

    monkeypatch.setattr(release, "build", build)
    with pytest.raises(ReleaseError, match=r"two builds of x\.whl differ"):
        release.build_twice(tmp_path, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_archive_and_wheel_of_this_very_tree_are_reproducible_and_the_wheel_is_whole_and_answers(tmp_path):
    sdist, wheel = release.build_twice(release.ROOT, tmp_path)

    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "hatch_build.py", "constraints.txt", "LICENSE", "console/cli/main.py"} <= names
    release.check_contents(release.ROOT, wheel)
    release.check_commands(wheel, "0.1.0")
