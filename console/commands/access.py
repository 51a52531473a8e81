"""`bondx access`: who may do what, and the tokens of programs."""

import argparse
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from console.commands.tokens import add_token_parsers
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from datetime import timedelta

    from core.access import Grant
    from core.access.listing import ListedRight

_PRINCIPAL = "user:ana, or ana; group:quants; token:t-0001; oidc:SUBJECT; oidc-group:NAME"


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "access", help="who may do what: roles, grants, tokens", alone=list_rights)
    who = command_parser(verbs, "who", help="who has which role, with its limits")
    who.add_argument("--all", action="store_true", help="include what has ended")
    add_json_argument(who)
    who.set_defaults(command=list_rights)
    own = command_parser(verbs, "whoami", help="your own roles, and the verbs that they allow")
    add_json_argument(own)
    own.set_defaults(command=show_own)
    listed = command_parser(verbs, "verbs", help="every verb with its class and the roles that hold it")
    add_json_argument(listed)
    listed.set_defaults(command=list_verbs)
    check = command_parser(verbs, "check", help="may you do this verb? Exit code 0: yes, 3: no; the reason is printed")
    check.add_argument("verb", metavar="VERB", help="version.promote; see bondx access verbs")
    check.add_argument("--model", metavar="MODEL", help="the model that it is about")
    check.add_argument("--stage", metavar="STAGE", help="the highest stage that it touches, if it is about a version")
    check.add_argument("--as", dest="principal", metavar="PRINCIPAL", help=f"ask for somebody else: {_PRINCIPAL}")
    add_json_argument(check)
    check.set_defaults(command=check_verb)
    grant = command_parser(verbs, "grant", help="give a role; the first grant makes grants count")
    grant.add_argument("principal", metavar="PRINCIPAL", help=_PRINCIPAL)
    grant.add_argument("role", metavar="ROLE", help="viewer, operator, approver, admin, or a role of your own")
    grant.add_argument("--model", metavar="PATTERN", action="append", default=[], help="only these models: desk_*")
    grant.add_argument("--stage", metavar="STAGE", action="append", default=[], help="only this stage of versions")
    grant.add_argument("--for", dest="valid", metavar="TIME", help="only for a time: 8h, 30d")
    add_reason_argument(grant)
    add_json_argument(grant)
    grant.set_defaults(command=give_role)
    revoke = command_parser(verbs, "revoke", help="take grants back")
    revoke.add_argument("names", metavar="GRANT", nargs="+", help="g-0002, or a principal with all of its grants")
    add_reason_argument(revoke)
    add_json_argument(revoke)
    revoke.set_defaults(command=take_back)
    glass = command_parser(verbs, "break-glass", help="in an emergency: be an admin for a short time; an alert says so")
    glass.add_argument("--reason", required=True, metavar="TEXT", help="the emergency: others will read it")
    glass.add_argument("--for", dest="valid", metavar="TIME", help="how long, at most 24h (default 1h)")
    add_json_argument(glass)
    glass.set_defaults(command=break_glass)
    _add_role_parsers(verbs)
    add_token_parsers(noun_parser(verbs, "token", help="the tokens of programs"))


def _add_role_parsers(verbs: Subparsers) -> None:
    roles = noun_parser(verbs, "role", help="roles of your own, as sets of verbs", alone=list_roles)
    listing = command_parser(roles, "list", help="the roles of your own")
    add_json_argument(listing)
    listing.set_defaults(command=list_roles)
    define = command_parser(roles, "define", help="define a role, or define it anew")
    define.add_argument("name", metavar="NAME")
    define.add_argument("verbs", metavar="VERB", nargs="+", help="session.start, or 'session.*'")
    remove = command_parser(roles, "remove", help="remove a role that nobody has")
    remove.add_argument("name", metavar="NAME")
    for parser, command in ((define, define_role), (remove, remove_role)):
        add_reason_argument(parser)
        add_json_argument(parser)
        parser.set_defaults(command=command)


def list_rights(args: argparse.Namespace) -> int:
    """Print who has which role."""
    from console.cli.output import print_json, print_table
    from core.access import Door
    from core.access.listing import rights_of
    from core.clock import utc_now

    rules = Door(open_workspace(args)).rules()
    found = rights_of(rules, utc_now(), ended=getattr(args, "all", False))
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    columns = ("principal", "role", "models", "stages", "grant_id", "expires_at", "granted_by", "reason")
    print_table([_row(each, columns) for each in found], columns, empty="no grants and no tokens")
    if not rules.governed:
        print(
            f"There are no grants: {rules.owner}, who owns the folder, may do everything, and tokens what their roles "
            "say."
        )
    return ExitCode.GOOD


def _row(right: "ListedRight", columns: tuple[str, ...]) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(right, name) for name in columns}
    row |= {name: " ".join(getattr(right, name)) or "all" for name in ("models", "stages")}
    return row | {"role": f"{right.role} (broken glass)" if right.is_break_glass else right.role}


def show_own(args: argparse.Namespace) -> int:
    """Print what the caller may do."""
    from console.cli.output import print_json, printable
    from core.access import Door, principal_of
    from core.access.listing import own_access
    from core.clock import utc_now

    own = own_access(Door(open_workspace(args)).rules(), principal_of(person()), utc_now())
    if args.json:
        print_json(own)
        return ExitCode.GOOD
    print(printable(own.principal))
    if not own.governed:
        print("There are no grants here, so whoever can enter the folder may do everything.")
        return ExitCode.GOOD
    for right in own.rights:
        limits = " ".join((*right.models, *right.stages)) or "everything"
        print(f"{printable(right.role)}: {printable(limits)} ({right.grant_id})")
    print(f"may: {', '.join(own.may) or 'nothing'}")
    return ExitCode.GOOD


def list_verbs(args: argparse.Namespace) -> int:
    """Print every verb."""
    from console.cli.output import print_json, print_table
    from core.access import Door
    from core.access.listing import verbs_of

    found = verbs_of(Door(open_workspace(args)).rules())
    if args.json:
        print_json(found)
    else:
        rows = [{"verb": each.verb, "class": each.kind, "roles": " ".join(each.roles)} for each in found]
        print_table(rows, ("verb", "class", "roles"), empty="")
    return ExitCode.GOOD


def check_verb(args: argparse.Namespace) -> int:
    """Say whether somebody may do a verb."""
    from console.cli.output import print_json, printable
    from core.access import VERBS, Door, Principal, decide, principal_of
    from core.clock import utc_now
    from core.escape import shown
    from core.registry import Stage

    if args.verb not in VERBS:
        raise UsageError(f"{shown(args.verb)} is no verb: see bondx access verbs.")
    principal = principal_of(person()) if args.principal is None else Principal.named(args.principal)
    decision = decide(
        Door(open_workspace(args)).rules(),
        principal,
        args.verb,
        model=args.model,
        stage=None if args.stage is None else Stage.named(args.stage),
        now=utc_now(),
    )
    if args.json:
        print_json({"principal": str(principal), "verb": args.verb, **decision._asdict()})
    else:
        print(f"{'yes' if decision.is_allowed else 'no'}: {printable(decision.reason)}")
    return ExitCode.GOOD if decision.is_allowed else ExitCode.REFUSED


def give_role(args: argparse.Namespace) -> int:
    """Give a role."""
    from core.access import Principal
    from core.governance.grants import Grants
    from core.registry import Stage

    workspace = open_workspace(args)
    grants = Grants(workspace)
    was_governed = grants.door.rules().governed
    made = grants.grant(
        Principal.named(args.principal),
        args.role,
        actor=person(),
        models=args.model,
        stages=[Stage.named(stage) for stage in args.stage],
        valid=_length(args.valid),
        reason=args.reason,
    )
    _print_grants([made], "has", as_json=args.json)
    if args.valid is None and made.expires_at is not None and not args.json:
        from console.cli.output import complain, printable

        complain(printable(f"It ends with your right to give it ({', '.join(made.rests_on)})."))
    if not was_governed and not args.json:
        from console.cli.output import complain

        admins = ", ".join(sorted({grant.name for grant in grants.door.rules().admins(made.granted_at)}))
        complain(f"From now on accounts have the roles of their grants alone; admin: {admins}.")
    return ExitCode.GOOD


def take_back(args: argparse.Namespace) -> int:
    """Take grants back."""
    from core.alerts.broken_glass import BrokenGlass
    from core.governance.grants import Grants

    workspace = open_workspace(args)
    revoked = Grants(workspace).revoke(args.names, actor=person(), reason=args.reason)
    BrokenGlass(workspace).keep_up()
    _print_grants(revoked, "no longer has", as_json=args.json)
    return ExitCode.GOOD


def break_glass(args: argparse.Namespace) -> int:
    """Become an admin for a short time."""
    from core.alerts.broken_glass import BrokenGlass
    from core.governance.grants import Grants

    workspace = open_workspace(args)
    made = Grants(workspace).break_glass(actor=person(), reason=args.reason, valid=_length(args.valid))
    BrokenGlass(workspace).keep_up()
    _print_grants([made], "has", as_json=args.json)
    return ExitCode.GOOD


def _length(text: str | None) -> "timedelta | None":
    from core.clock import read_duration

    return None if text is None else read_duration(text)


def _print_grants(grants: "list[Grant]", says: str, *, as_json: bool) -> None:
    from console.cli.output import print_json, printable

    if as_json:
        print_json(grants if len(grants) > 1 else grants[0])
        return
    for grant in grants:
        until = f" until {grant.expires_at:%Y-%m-%d %H:%M} UTC" if grant.expires_at and says == "has" else ""
        print(printable(f"{grant.grant_id}: {grant.principal} {says} the role {grant.role}{grant.limits}{until}"))


def list_roles(args: argparse.Namespace) -> int:
    """Print the custom roles."""
    from console.cli.output import print_json, print_table
    from core.governance.grants import Grants

    roles = Grants(open_workspace(args)).roles()
    if args.json:
        print_json(roles)
    else:
        rows = [{"role": role.name, "verbs": " ".join(role.verbs), "defined_by": role.defined_by} for role in roles]
        print_table(rows, ("role", "verbs", "defined_by"), empty="no roles of your own: bondx access role define")
    return ExitCode.GOOD


def define_role(args: argparse.Namespace) -> int:
    """Define a custom role."""
    from console.cli.output import print_json, printable
    from core.governance.grants import Grants

    role = Grants(open_workspace(args)).define_role(args.name, args.verbs, actor=person(), reason=args.reason)
    if args.json:
        print_json(role)
    else:
        print(printable(f"{role.name}: {' '.join(role.verbs)}"))
    return ExitCode.GOOD


def remove_role(args: argparse.Namespace) -> int:
    """Remove a custom role."""
    from console.cli.output import print_json, printable
    from core.governance.grants import Grants

    role = Grants(open_workspace(args)).remove_role(args.name, actor=person(), reason=args.reason)
    if args.json:
        print_json(role)
    else:
        print(printable(f"{role.name} is removed"))
    return ExitCode.GOOD
