"""`bondx registry alias`, `approve`, `tag` and `policy`: people's marks on versions, and the rules for them."""

import argparse

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
)
from console.commands.registry_artifacts import pair
from core.errors import ExitCode


def add_verbs(verbs: Subparsers) -> None:
    """Add the verbs of this module below the noun."""
    alias = command_parser(verbs, "alias", help="list a model's aliases, set one (@champion 1.4.0), or remove one")
    alias.add_argument("model", metavar="MODEL")
    alias.add_argument("alias", metavar="@ALIAS", nargs="?")
    alias.add_argument("version", metavar="VERSION", nargs="?")
    alias.add_argument("--remove", action="store_true", help="remove the alias; its version stays")
    add_reason_argument(alias)
    add_json_argument(alias)
    alias.set_defaults(command=change_alias)

    approve = command_parser(verbs, "approve", help="approve a version for Production; another person must promote it")
    approve.add_argument("model", metavar="MODEL")
    approve.add_argument("version", metavar="VERSION")
    approve.add_argument("--withdraw", action="store_true", help="withdraw your approval")
    add_reason_argument(approve)
    add_json_argument(approve)
    approve.set_defaults(command=change_approval)

    release = command_parser(verbs, "release", help="let a quarantined version be loaded again, in a trial first")
    release.add_argument("model", metavar="MODEL")
    release.add_argument("version", metavar="VERSION")
    add_reason_argument(release)
    add_json_argument(release)
    release.set_defaults(command=release_version)

    tag = command_parser(verbs, "tag", help="tag a version: NAME=TEXT, or NAME= to remove a tag")
    tag.add_argument("model", metavar="MODEL")
    tag.add_argument("version", metavar="VERSION")
    tag.add_argument("tags", metavar="NAME=TEXT", nargs="+", type=pair)
    add_json_argument(tag)
    tag.set_defaults(command=tag_version)

    policy = command_parser(
        verbs, "policy", help="the rules in force, for one model or for all, and the files they come from"
    )
    policy.add_argument("model", metavar="MODEL", nargs="?")
    add_json_argument(policy)
    policy.set_defaults(command=show_policy)


def change_alias(args: argparse.Namespace) -> int:
    """List, set or remove an alias."""
    from console.cli.output import print_json, print_table
    from core.errors import UsageError
    from core.registry import Registry

    registry = Registry(open_workspace(args))
    if args.remove:
        if not args.alias or args.version:
            raise UsageError("Name the alias to remove, without a version: bondx registry alias MODEL @ALIAS --remove.")
        registry.remove_alias(args.model, args.alias, actor=person(), reason=args.reason)
    elif args.alias and not args.version:
        raise UsageError(f"Name the version for {args.alias}, or give --remove.")
    elif args.alias:
        registry.set_alias(args.model, args.alias, args.version, actor=person(), reason=args.reason)
    found = registry.aliases(args.model)
    if args.json:
        print_json(found)
    else:
        rows = [{"alias": f"@{alias}", "version": version} for alias, version in found.items()]
        print_table(rows, ("alias", "version"), empty=f"{args.model} has no aliases")
    return ExitCode.GOOD


def change_approval(args: argparse.Namespace) -> int:
    """Approve a version, or withdraw the approval."""
    from console.cli.output import print_json, printable
    from core.registry import Registry

    registry = Registry(open_workspace(args))
    act = registry.withdraw_approval if args.withdraw else registry.approve
    approval = act(args.model, args.version, actor=person(), reason=args.reason)
    if args.json:
        print_json(approval)
    else:
        done = "no longer approved" if args.withdraw else "approved"
        print(printable(f"{approval.model} {approval.version} is {done} by {approval.person}"))
        if not args.withdraw and approval.used_by is not None:
            claim = "is signed" if approval.claim else "could not be signed: this account has no key in keys/"
            print(f"It is live already, so this counts for no promotion; the claim validated_by {claim}.")
    return ExitCode.GOOD


def release_version(args: argparse.Namespace) -> int:
    """Release a version from quarantine."""
    from console.cli.output import print_json, printable
    from core.registry import Registry

    quarantine = Registry(open_workspace(args)).release(args.model, args.version, actor=person(), reason=args.reason)
    if args.json:
        print_json(quarantine)
    else:
        print(printable(f"{quarantine.model} {quarantine.version} is released; the next load tries it again"))
    return ExitCode.GOOD


def tag_version(args: argparse.Namespace) -> int:
    """Tag a version."""
    from console.cli.output import print_facts, print_json
    from core.registry import Registry

    version = Registry(open_workspace(args)).set_tags(args.model, args.version, dict(args.tags), actor=person())
    if args.json:
        print_json(version.tags)
    else:
        print_facts(version.tags)
    return ExitCode.GOOD


def show_policy(args: argparse.Namespace) -> int:
    """Print the policy, and the files it comes from."""
    import msgspec

    from console.cli.output import print_facts, print_json
    from core.registry.numbering import checked_model_name
    from core.settings.policy_source import PolicySource
    from core.tracking.comparison import flatten

    if args.model is not None:
        checked_model_name(args.model)
    source = PolicySource(open_workspace(args).root)
    policy = source.policy()
    found = msgspec.to_builtins(policy.for_model(args.model) if args.model else policy)
    files = [str(file) for file in source.files()]
    if args.json:
        print_json({"files": files, "policy": found})
        return ExitCode.GOOD
    print_facts({"files": files, **flatten(found)})
    return ExitCode.GOOD
