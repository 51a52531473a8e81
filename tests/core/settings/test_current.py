"""Settings of processes that live long: those of the files now, or those that were read last."""

import os
import threading

import pytest

from core.settings import PolicySource, Settings, settings_in_force
from core.settings.current import CurrentSettings


def change_unnoticed(file, text):
    """Write a text of the same length into a file, and leave its time as it was, as `rsync` does."""
    before = file.stat()
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def test_settings_are_read_again_once_their_file_changes_and_kept_while_it_is_broken(tmp_path, caplog):
    file, current = tmp_path / "bondx.yaml", CurrentSettings(tmp_path, Settings())
    file.write_text("backup: {keep: 2}\n")
    assert current.read().backup.keep == 2
    assert current.read() is current.read()
    file.write_text("backup: {keep: many}\n")
    assert [current.read().backup.keep, current.read().backup.keep] == [2, 2]
    assert len(caplog.messages) == 1
    file.write_text("backup: {keep: 3}\n")
    assert current.read().backup.keep == 3


def test_who_asks_while_another_thread_reads_gets_what_it_finds(tmp_path, monkeypatch):
    current, seen = CurrentSettings(tmp_path, Settings()), []
    (tmp_path / "bondx.yaml").write_text("backup: {keep: 2}\n")
    other = threading.Thread(target=lambda: seen.append(current.read().backup.keep))

    def read(root):
        other.start()
        other.join(0.1)
        return settings_in_force(root)

    monkeypatch.setattr("core.settings.current.settings_in_force", read)
    assert current.read().backup.keep == 2
    other.join()
    assert seen == [2]


@pytest.mark.parametrize("before", ["backup: {keep: 2}\n", "backup: {keep: x}\n"])
def test_a_change_that_leaves_size_and_time_is_noticed(tmp_path, before):
    file, current = tmp_path / "bondx.yaml", CurrentSettings(tmp_path, Settings())
    file.write_text(before)
    current.read()
    change_unnoticed(file, "backup: {keep: 7}\n")
    assert current.read().backup.keep == 7


def test_a_change_of_a_policy_that_leaves_size_and_time_is_noticed(tmp_path):
    file, source = tmp_path / "policy.yaml", PolicySource(tmp_path)
    file.write_text("promotion: {min_accuracy: 0.6}\n")
    assert source.policy().promotion.min_accuracy == 0.6
    change_unnoticed(file, "promotion: {min_accuracy: 0.7}\n")
    assert source.policy().promotion.min_accuracy == 0.7
