"""The tokens of programs: `bondx access token`, and `bondx serve token`."""

import argparse

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
)
from console.commands.typed_numbers import number
from core.errors import ExitCode

ROLES = ("viewer", "operator", "approver", "admin")  # not from core: parsing imports nothing heavy


def add_token_parsers(verbs: Subparsers) -> None:
    """Add the verbs of tokens."""
    create = command_parser(verbs, "create", help="create a token and print it, only this once")
    create.add_argument("name", metavar="NAME", help="its purpose, named in the audit log")
    create.add_argument("--person", metavar="ACCOUNT", help="the person responsible for it (default: you)")
    create.add_argument("--role", choices=ROLES, default="viewer", help="its role (default: %(default)s)")
    create.add_argument(
        "--days",
        type=number,
        metavar="N",
        help="how long it is valid (default: for good, or as long as you have its role)",
    )
    create.set_defaults(command=create_token)
    listing = command_parser(verbs, "list", help="every token ever created, without its secret")
    add_json_argument(listing)
    listing.set_defaults(command=list_tokens)
    revoke = command_parser(verbs, "revoke", help="revoke a token permanently")
    revoke.add_argument("token_id", metavar="ID", help="its id, such as t-0001")
    add_reason_argument(revoke)
    revoke.set_defaults(command=revoke_token)
    rotate = command_parser(verbs, "rotate", help="give a token a new secret and print it, only this once")
    rotate.add_argument("token_id", metavar="ID", help="its id, such as t-0001")
    rotate.add_argument("--overlap", metavar="TIME", help="how long the former secret is taken: 1h (default: not)")
    rotate.add_argument(
        "--days", type=number, metavar="N", help="how long it is valid from now on (default: unchanged)"
    )
    rotate.set_defaults(command=rotate_token)
    for parser in (create, rotate):
        add_reason_argument(parser)
        add_json_argument(parser)


def create_token(args: argparse.Namespace) -> int:
    """Create a token and print it."""
    from console.cli.output import complain, print_json
    from core.clock import in_words
    from core.serving import Role, Tokens

    token, secret = Tokens(open_workspace(args)).create(
        args.name,
        Role(args.role),
        actor=person(),
        person=args.person,
        valid_days=args.days,
        reason=args.reason,
    )
    if args.json:
        print_json({"token_id": token.token_id, "role": token.role, "expires_at": token.expires_at, "token": secret})
    else:
        print(secret)
        complain(f"{token.token_id} for {token.name}, {token.person}'s, role {token.role}; it is not shown again")
        if args.days is None and token.expires_at is not None:
            complain(
                f"It is valid until {in_words(token.expires_at)}, when your right to give its role ends "
                f"({', '.join(token.rests_on)})."
            )
    return ExitCode.GOOD


def rotate_token(args: argparse.Namespace) -> int:
    """Give a token a new secret and print it."""
    from datetime import timedelta

    from console.cli.output import complain, print_json
    from core.clock import read_duration
    from core.serving import Tokens

    token, secret = Tokens(open_workspace(args)).rotate(
        args.token_id,
        actor=person(),
        overlap=timedelta(0) if args.overlap is None else read_duration(args.overlap),
        valid_days=args.days,
        reason=args.reason,
    )
    if args.json:
        print_json(
            {
                "token_id": token.token_id,
                "expires_at": token.expires_at,
                "former_until": token.former_until,
                "token": secret,
            }
        )
    else:
        print(secret)
        former = f"until {token.former_until:%Y-%m-%d %H:%M} UTC" if token.former_until else "no longer"
        complain(f"{token.token_id} for {token.name}: the former secret is taken {former}; this one is not shown again")
    return ExitCode.GOOD


def list_tokens(args: argparse.Namespace) -> int:
    """Print every token, without its digest."""
    from console.cli.output import print_json, print_table
    from core.clock import utc_now
    from core.serving import Tokens
    from core.serving.token_uses import TokenUses

    workspace = open_workspace(args)
    columns = (
        *("token_id", "name", "person", "role", "valid", "created_at", "created_by", "rotated_at", "last_used_at"),
        *("expires_at", "revoked_at"),
    )
    last_used = TokenUses(workspace).last_used()
    rows = [
        {
            **{name: getattr(token, name, None) for name in columns},
            "valid": token.is_valid(utc_now()),
            "last_used_at": last_used.get(token.token_id),
        }
        for token in Tokens(workspace).all()
    ]
    if args.json:
        print_json(rows)
    else:
        print_table(rows, columns, empty="no token yet: bondx access token create NAME")
    return ExitCode.GOOD


def revoke_token(args: argparse.Namespace) -> int:
    """Revoke a token."""
    from core.serving import Tokens

    token = Tokens(open_workspace(args)).revoke(args.token_id, actor=person(), reason=args.reason)
    print(f"{token.token_id} for {token.name} is revoked")
    return ExitCode.GOOD
