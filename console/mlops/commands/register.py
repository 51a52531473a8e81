"""`bondx-mlops register`: register files made elsewhere."""

import argparse
from pathlib import Path

from console.commands.opening import Subparsers, add_create_argument, open_or_create_workspace
from console.mlops.opening import add_model_argument, add_user_argument, named_person, verb_parser
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "register", help="register a folder or file as the next version of a model")
    add_create_argument(parser)
    add_model_argument(parser)
    parser.add_argument("--path", required=True, type=Path, metavar="DIR|FILE", help="the folder or file to register")
    parser.add_argument(
        "--metadata", action="append", default=[], type=_pair, metavar="K=V", help="kept with the version; repeatable"
    )
    parser.add_argument("--version", metavar="V", help="the number to give it (default: the next one)")
    add_user_argument(parser, "registers")
    parser.set_defaults(command=register)


def register(args: argparse.Namespace) -> int:
    """Register, and print the version and what the policy says of it."""
    import msgspec

    from console.cli.output import print_json
    from console.mlops.policy import gates_of, print_gates
    from core.registry import Registry
    from core.registry.later_denied import version_as_shown
    from core.settings import load_policy
    from core.training.own_data import register_path

    workspace = open_or_create_workspace(args)
    load_policy(workspace.root)  # a mistake in it is reported before anything is registered
    version = register_path(
        Registry(workspace),
        args.model,
        args.path,
        metadata=dict(args.metadata),
        version=args.version,
        actor=named_person(args),
    )
    (gates,) = gates_of(workspace, version)
    if args.json:
        print_json({**msgspec.to_builtins(version_as_shown(workspace, version)), "promotion_gates": gates})
    else:
        print(f"{version.model} {version.version} registered, in {version.stage}: {version.n_files} files")
        if version.checked:  # a twin of a version of our own training has none
            print(f"{version.checked[:1].upper()}{version.checked[1:]}.")
        print_gates(gates)
    return ExitCode.GOOD


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key.strip(), value
