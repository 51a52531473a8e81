"""Consent on the command line: a promotion to Production is confirmed as in the console, by typing the version."""

import argparse
import sys
import termios
from typing import TYPE_CHECKING

from console.cli.question import ask, can_ask
from core.errors import RefusedError, UsageError
from core.registry.stages import Stage

if TYPE_CHECKING:
    from core.registry import Plan


def add_yes_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--yes`, for verbs that put a version live."""
    parser.add_argument("--yes", action="store_true", help="go to Production without typing the version again")


def add_needless_yes_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--yes` where nothing is asked, since a way back must not fail for a habit."""
    parser.add_argument("--yes", action="store_true", help="accepted, as by other verbs; this one asks nothing")


def add_consent_to_go_live(parser: argparse.ArgumentParser) -> None:
    """Accept `--yes` and `--override`, for verbs that promote a version."""
    add_yes_argument(parser)
    parser.add_argument(
        "--override",
        default="",
        metavar="REASON",
        help="put a version live that its newest rollout has rolled back, for this reason",
    )


def consented_reason(plan: "Plan", args: argparse.Namespace) -> str:
    """Return the reason to record with a promotion, once the person has consented to it.

    Raises:
        RefusedError: It goes against a verdict without a reason, or something else than its version was typed.
        UsageError: Nobody can be asked, and `--yes` is missing.
    """
    from core.registry.planning import reason_for

    reason = reason_for(plan, args.reason, args.override)
    if plan.to_stage is Stage.PRODUCTION:
        require_typed(plan.model, plan.version, yes=args.yes)
    return reason


def require_typed(model: str, version: str, *, yes: bool) -> None:
    """Ask the person at the terminal to type the version that goes live; elsewhere `--yes` must say so.

    Raises:
        RefusedError: Something else was typed.
        UsageError: Nobody can be asked, and `--yes` is missing.
    """
    if yes:
        return
    if not can_ask():
        raise UsageError(f"{model} {version} goes to Production: confirm it with --yes, since no terminal can ask.")
    termios.tcflush(sys.stdin, termios.TCIFLUSH)  # typed before the plan was shown, it would confirm what was not read
    if ask(f"Type {version} to put {model} {version} into Production:") != version:
        raise RefusedError(f"{model} {version} was not confirmed; nothing was changed.")
