"""`bondx alerts check`: the faults of rule files, with their places."""

import argparse
import sys
from pathlib import Path

from console.commands.opening import Subparsers, add_json_argument, command_parser
from core.errors import ExitCode


def add_parsers(verbs: Subparsers) -> None:
    """Add the verbs below `bondx alerts`."""
    check = command_parser(verbs, "check", help="check rule files: exit code 2, and each fault with its place")
    check.add_argument("files", metavar="FILE", nargs="+", type=Path)
    add_json_argument(check)
    check.set_defaults(command=check_files)


def check_files(args: argparse.Namespace) -> int:
    """Check rule files; every fault of every file is printed."""
    from console.cli.output import print_json, printable
    from console.cli.parser import shortened
    from core.alerts.rule_files import check_rule_file

    results = []
    for path in args.files:
        file, faults = check_rule_file(path)
        n_rules = 0 if file is None else len(list(file.rules))
        problems, warnings = [str(fault) for fault in faults], [] if file is None else list(file.warnings)
        results.append({"file": str(path), "rules": n_rules, "faults": problems, "warnings": warnings})
        if args.json:
            continue
        for line in [*problems, *warnings]:
            print(f"bondx: {printable(shortened(line))}", file=sys.stderr)
        if not problems:
            print(f"{printable(shortened(str(path)))}: {n_rules} {'rule' if n_rules == 1 else 'rules'}, no faults")
    if args.json:
        print_json(results)
    return ExitCode.USAGE if any(result["faults"] for result in results) else ExitCode.GOOD
