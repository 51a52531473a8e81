"""`bondx runs`: the tracked record of every training."""

import argparse

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "runs", help="list and compare tracked runs")
    listing = command_parser(verbs, "list", help="every run, newest first")
    add_json_argument(listing)
    listing.set_defaults(command=list_runs)
    show = command_parser(verbs, "show", help="one run with parameters, metrics, artifacts and environment")
    show.add_argument("run_id", metavar="RUN")
    add_json_argument(show)
    show.set_defaults(command=show_run)
    compare = command_parser(verbs, "compare", help="runs side by side: what differs in parameters and metrics")
    compare.add_argument("run_ids", metavar="RUN", nargs="+")
    add_json_argument(compare)
    compare.set_defaults(command=compare_runs)


def list_runs(args: argparse.Namespace) -> int:
    """Print every run."""
    from console.output import print_json, print_table
    from core.tracking import Runs

    runs = sorted(Runs(open_workspace(args)).all(), key=lambda run: run.started_at, reverse=True)
    if args.json:
        print_json(runs)
        return ExitCode.GOOD
    rows = [
        {
            "run_id": run.run_id,
            "session_id": run.session_id,
            "name": run.name,
            "status": run.status,
            "started_at": run.started_at,
            "score": run.metrics.get("score"),
        }
        for run in runs
    ]
    columns = ("run_id", "session_id", "name", "status", "started_at", "score")
    print_table(rows, columns, empty="no run yet: bondx run starts a session, and with it a run")
    return ExitCode.GOOD


def show_run(args: argparse.Namespace) -> int:
    """Print one run."""
    from console.output import print_facts, print_json
    from core.tracking import Runs

    run = Runs(open_workspace(args)).get(args.run_id)
    if args.json:
        print_json(run)
        return ExitCode.GOOD
    facts: dict[str, object] = {
        name: getattr(run, name) for name in ("run_id", "session_id", "name", "status", "started_at", "ended_at")
    }
    for section in ("parameters", "metrics", "environment", "data_hashes", "tags"):
        facts |= {f"{section}.{name}": value for name, value in sorted(getattr(run, section).items())}
    facts |= {f"artifact {artifact.path}": artifact.sha256 for artifact in run.artifacts}
    print_facts(facts)
    return ExitCode.GOOD


def compare_runs(args: argparse.Namespace) -> int:
    """Print what differs between runs."""
    from console.output import print_json, print_table
    from core.tracking import Runs

    comparison = Runs(open_workspace(args)).compare(args.run_ids)
    if args.json:
        print_json(comparison)
        return ExitCode.GOOD
    rows = [
        {"field": f"{row.section}.{row.name}", **dict(zip(args.run_ids, row.values, strict=True))}
        for row in comparison.differing
    ]
    print_table(rows, ("field", *args.run_ids), empty="these runs do not differ")
    return ExitCode.GOOD
