"""The kernel names the account at the other end of a socket, or it does not, and then nobody is named."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from core.access.peers import HIDDEN, account_at, listen_for_accounts
from core.access.principal import Principal, account_of
from core.errors import UsageError
from tests.core.access.test_two_accounts import STRANGER, needs_accounts, others_python, place, run_as
from tests.waiting import PATIENCE_SECONDS, until

__all__ = ["place"]

CALL = "import socket, sys; door = socket.socket(socket.AF_UNIX); door.connect(sys.argv[1]); door.recv(1)"
NAMED_IN_A_NAMESPACE = """
import sys
from pathlib import Path
from core.access.peers import account_at, listen_for_accounts
listener = listen_for_accounts(Path(sys.argv[1]))
for _ in range(2):
    connection, _ = listener.accept()
    print(account_at(connection), flush=True)
    connection.close()
"""


def test_two_ends_of_this_process_are_of_this_account():
    one, other = socket.socketpair()
    with one, other:
        assert account_at(one) == account_of(os.getuid())


@needs_accounts
def test_each_account_has_its_name(place):
    with listen_for_accounts(place / "door") as listener:
        for account in ("nobody", STRANGER):
            caller = subprocess.Popen(
                [str(others_python()), "-c", CALL, str(place / "door")], user=account, env={"PATH": "/usr/bin:/bin"}
            )
            connection, _ = listener.accept()
            assert account_at(connection) == account
            connection.close()
            assert caller.wait(PATIENCE_SECONDS) == 0


@needs_accounts
@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux is not installed")
def test_a_user_namespace_of_its_own_hides_accounts_and_they_are_not_taken_for_nobody(place):
    """As below `PrivateUsers=` of systemd: the kernel gives all accounts that are not mapped one number."""
    door = place / "door"
    listening = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", NAMED_IN_A_NAMESPACE, str(door)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert listening.stdout is not None
    until(door.exists, "the socket")
    subprocess.run([sys.executable, "-c", CALL, str(door)], check=True, timeout=PATIENCE_SECONDS)
    run_as(STRANGER, others_python(), "-c", CALL, door)
    assert listening.communicate(timeout=PATIENCE_SECONDS)[0].splitlines() == ["root", HIDDEN]


def test_nobody_can_grant_a_role_to_a_hidden_account():
    with pytest.raises(UsageError, match="neither an account, a group nor a token"):
        Principal.named(f"user:{HIDDEN}")
