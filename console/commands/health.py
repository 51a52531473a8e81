"""`bondx health`: is the engine alive, and is everything ready; for people and for probes."""

import argparse

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands,
        "health",
        help="is the engine alive, is everything ready: workers with ages, lease, stores, breakers; exit code 1 if not",
    )
    parser.add_argument("--live", action="store_true", help="exit code 1 only if the engine is not alive (liveness)")
    add_json_argument(parser)
    parser.set_defaults(command=show_health)


def show_health(args: argparse.Namespace) -> int:
    """Print the health of the workspace; the exit code is that of a probe."""
    from console.cli.output import complain, print_facts, print_json, print_table
    from core.maintenance.workspace_health import examine_health

    health = examine_health(open_workspace(args))
    if args.json:
        print_json(health)
    else:
        print_facts(
            {
                "live": "yes" if health.is_live else "no",
                "ready": "yes" if health.is_ready else "no",
                "engine": health.engine,
                "lease": health.lease or "free",
                "report": "none" if health.report_age_seconds is None else f"{health.report_age_seconds:.0f} s old",
            }
        )
        workers = [
            {
                "worker": worker.name,
                "state": worker.activity,
                "live": "yes" if worker.is_live else "no",
                "ready": "yes" if worker.is_ready else "no",
                "age": f"{worker.age_seconds:.0f} s",
                "failures": worker.n_failures,
                "last_failure": worker.last_failure,
            }
            for worker in health.workers
        ]
        columns = ("worker", "state", "live", "ready", "age", "failures", "last_failure")
        print_table(workers, columns, empty="no worker reports")
        stores = [
            {
                "store": store.name,
                "ready": "yes" if store.is_ready else "no",
                "written": f"{store.age_seconds:.0f} s ago",
                "problem": store.problem,
            }
            for store in health.stores
        ]
        print_table(stores, ("store", "ready", "written", "problem"), empty="no store has been written yet")
        tried_again = [
            {"breaker": breaker.name, "next_at": breaker.next_at, "problem": breaker.problem}
            for breaker in health.breakers
            if breaker.is_open
        ]
        print_table(tried_again, ("breaker", "next_at", "problem"), empty="no breaker is open")
        for sentence in health.problems:
            complain(sentence)
    is_good = health.is_live if args.live else health.is_ready
    return ExitCode.GOOD if is_good else ExitCode.FAILING
