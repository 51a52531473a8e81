"""The warning of a command that does not need the policy, beside a policy that cannot be used."""

import argparse
import os
from contextlib import suppress
from pathlib import Path

_FILES = ("policy.yaml", "bondx.yaml")


def warn_of_policy(args: argparse.Namespace) -> None:
    """Print, once a command, what is wrong with the policy of its workspace: what needs it would fail.

    Args:
        args: The parsed command line.
    """
    from core.errors import CoreError

    if getattr(args, "has_warned_of_policy", False):
        return
    args.has_warned_of_policy = True
    with suppress(CoreError, OSError):  # the command itself says what is wrong with its workspace
        from console.commands.opening import workspace_root

        if (root := workspace_root(args)).is_dir() and _may_have_a_policy(root):
            _warn(root)


def _may_have_a_policy(root: Path) -> bool:
    """Whether a file could hold a policy; importing the settings takes longer than most commands."""
    from core.plain_files import read_file

    if os.environ.get("BONDX_ENV"):
        return True
    policy, settings = (root / name for name in _FILES)
    if policy.exists() or not settings.exists():
        return policy.exists()
    return any(line.startswith(b"policy") for line in read_file(settings).splitlines())


def _warn(root: Path) -> None:
    from console.cli.output import complain
    from core.settings import SettingsError, load_policy

    try:
        load_policy(root)
    except SettingsError as error:
        complain(f"warning: the policy cannot be used, and what needs it fails: {error}")
