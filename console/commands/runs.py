"""`bondx runs`: the tracked record of every training."""

import argparse
import functools
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_consent_arguments,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from console.commands.registry_artifacts import pair
from console.commands.typed_numbers import count, whole
from core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.tracking import Run, Runs


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "runs", help="list, search, compare and prune tracked runs")
    listing = command_parser(verbs, "list", help="every run, or every matching run, newest first")
    listing.add_argument(
        "--filter", metavar="EXPRESSION", help="for example: metrics.mae < 0.2 and params.model = 'spread'"
    )
    listing.add_argument("--experiment", metavar="NAME", help="only the runs of this experiment, the best marked")
    listing.add_argument("--limit", type=count, metavar="N", help="show only the newest N")
    add_json_argument(listing)
    listing.set_defaults(command=list_runs)
    groups = command_parser(verbs, "experiments", help="every experiment with its number of runs and its best run")
    add_json_argument(groups)
    groups.set_defaults(command=list_experiments)
    show = command_parser(verbs, "show", help="one run with parameters, metrics, artifacts and environment")
    show.add_argument("run_id", metavar="RUN")
    add_json_argument(show)
    show.set_defaults(command=show_run)
    metrics = command_parser(verbs, "metrics", help="the history of a run's metrics as CSV, a row for each epoch")
    metrics.add_argument("run_id", metavar="RUN")
    metrics.add_argument("--after", type=whole, metavar="EPOCH", help="only the epochs after this one")
    metrics.add_argument("--limit", type=count, metavar="N", help="only the first N epochs")
    add_json_argument(metrics)
    metrics.set_defaults(command=run_metrics)
    compare = command_parser(verbs, "compare", help="runs side by side: what differs in parameters and metrics")
    compare.add_argument("run_ids", metavar="RUN", nargs="+")
    add_json_argument(compare)
    compare.set_defaults(command=compare_runs)
    tag = command_parser(verbs, "tag", help="tag a run: NAME=TEXT, or NAME= to remove a tag")
    tag.add_argument("run_id", metavar="RUN")
    tag.add_argument("tags", metavar="NAME=TEXT", nargs="+", type=pair)
    add_json_argument(tag)
    tag.set_defaults(command=tag_run)
    prune = command_parser(
        verbs, "prune", help="remove the oldest unreferenced runs and their metrics; a dry run without --yes"
    )
    prune.add_argument("--keep", type=count, metavar="N", help="runs to keep (default: the policy's keep_runs)")
    add_consent_arguments(prune)
    add_reason_argument(prune)
    add_json_argument(prune)
    prune.set_defaults(command=prune_runs)
    imports = command_parser(
        verbs, "import-mlflow", help="import a run, and its model if it has one, from an MLflow store"
    )
    imports.add_argument("run_id", metavar="MLFLOW_RUN")
    imports.add_argument("--store", required=True, metavar="URI", help="tracking store: sqlite:///mlflow.db, http://…")
    imports.add_argument("--model", metavar="NAME", help="register the run's model under this name")
    imports.add_argument(
        "--target",
        default="target",
        metavar="COL",
        help="the column that the model predicts (default: %(default)s)",
    )
    add_json_argument(imports)
    imports.set_defaults(command=import_from_mlflow)
    exports = command_parser(verbs, "export-mlflow", help="export a run, and the versions it made, to an MLflow store")
    exports.add_argument("run_id", metavar="RUN")
    exports.add_argument("--store", required=True, metavar="URI", help="tracking store: sqlite:///mlflow.db, http://…")
    exports.add_argument("--experiment", metavar="NAME", help="default: the run's own experiment, else bondx")
    add_json_argument(exports)
    exports.set_defaults(command=export_to_mlflow)


def list_runs(args: argparse.Namespace) -> int:
    """Print every run."""
    from console.cli.output import print_json, print_table
    from console.presentation.headline import headline_of_run
    from core.tracking import Runs
    from core.tracking.experiments import best_runs, experiment_of

    found = Runs(open_workspace(args))
    matching = found.search(args.filter) if args.filter else found.latest()
    if args.experiment is not None:
        matching = _of_experiment(found, matching, args.experiment)
    best = best_runs(found.latest()) if args.experiment is not None else frozenset()
    runs = sorted(matching, key=lambda run: run.started_at, reverse=True)[: args.limit]
    if args.json:
        print_json(runs)
        return ExitCode.GOOD
    rows = [
        {
            "run_id": run.run_id,
            "part_of": run.session_id or run.parent_id,
            "name": run.name,
            "experiment": experiment_of(run),
            "status": run.status,
            "started_at": run.started_at,
            "metric": f"{headline_of_run(run)}{' (best)' if run.run_id in best else ''}",
        }
        for run in runs
    ]
    of_groups = ("experiment",) if any(row["experiment"] for row in rows) else ()
    columns = ("run_id", "part_of", "name", *of_groups, "status", "started_at", "metric")
    empty = (
        "no run matches"
        if args.filter or args.experiment
        else "no run yet: bondx run starts a session, and with it a run"
    )
    print_table(rows, columns, empty=empty)
    return ExitCode.GOOD


def _of_experiment(runs: "Runs", matching: "list[Run]", name: str) -> "list[Run]":
    """Return the runs of an experiment.

    Raises:
        NotFoundError: There is no such experiment; the message lists the newest.
    """
    from core.errors import NotFoundError
    from core.escape import shown
    from core.tracking.experiments import experiment_of

    known = [each.name for each in runs.experiments()]
    if name not in known:
        names = ", ".join(map(shown, known[:10])) or "none; start_run(experiment_name=…) or the tag experiment_name"
        raise NotFoundError(f"There is no experiment {shown(name)}. Experiments: {names}.")
    return [run for run in matching if experiment_of(run) == name]


def list_experiments(args: argparse.Namespace) -> int:
    """Print every experiment."""
    from console.cli.output import print_json, print_table
    from console.presentation.headline import headline_text
    from core.tracking import Runs

    found = Runs(open_workspace(args)).experiments()
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "experiment": each.name,
            "model_types": ", ".join(each.model_types),
            "runs": each.n_runs,
            "running": each.n_running,
            "best_run": each.best_run_id,
            "best": "" if each.metric is None or each.best is None else headline_text({each.metric: each.best}),
            "newest_at": each.newest_at,
        }
        for each in found
    ]
    empty = "no experiment yet: bondx run --experiment NAME, or give a run the tag experiment_name"
    print_table(rows, ("experiment", "model_types", "runs", "running", "best_run", "best", "newest_at"), empty=empty)
    return ExitCode.GOOD


def show_run(args: argparse.Namespace) -> int:
    """Print one run."""
    from console.cli.output import print_facts, print_json
    from core.tracking import Runs
    from core.tracking.divergence import words_for_values

    run = Runs(open_workspace(args)).get(args.run_id)
    if args.json:
        print_json(run)
        return ExitCode.GOOD
    facts: dict[str, object] = {
        name: getattr(run, name) for name in ("run_id", "session_id", "name", "status", "started_at", "ended_at")
    }
    for section in ("parameters", "metrics", "environment", "data_hashes", "tags"):
        facts |= {f"{section}.{name}": value for name, value in sorted(getattr(run, section).items())}
        if section == "metrics":
            words = words_for_values(run.diverged, run.undefined)
            facts |= {f"metrics.{name}": word for name, word in words.items()}
    facts |= {f"artifact {artifact.path}": artifact.sha256 for artifact in run.artifacts}
    print_facts(facts)
    return ExitCode.GOOD


def run_metrics(args: argparse.Namespace) -> int:
    """Print the history of a run, page by page: a run of any length takes the same memory."""
    import csv
    import itertools
    import sys

    from core.tracking import Runs

    runs = Runs(open_workspace(args))
    names = runs.metric_names(args.run_id)
    rows = itertools.islice(_metric_rows(runs, args.run_id, args.after), args.limit)
    if args.json:
        from console.cli.escaped_text import json_text
        from console.cli.streams import answers

        begin = "["
        for row in rows:
            print(f"{begin}\n{json_text(row)}", end="", file=answers())
            begin = ","
        print("[]" if begin == "[" else "\n]", file=answers())
        return ExitCode.GOOD
    table = csv.DictWriter(sys.stdout, ["epoch", *names], restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return ExitCode.GOOD


def _metric_rows(runs: "Runs", run_id: str, after: int | None) -> "Iterator[dict[str, float]]":
    for page in runs.metric_pages(run_id, after=after):
        rows: dict[int, dict[str, float]] = {}
        for name, points in page.items():
            for epoch, value in points:
                rows.setdefault(epoch, {"epoch": epoch})[name] = value
        yield from (rows[epoch] for epoch in sorted(rows))


def compare_runs(args: argparse.Namespace) -> int:
    """Print the differences of runs."""
    from console.cli.output import print_json, print_table
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


def tag_run(args: argparse.Namespace) -> int:
    """Tag a run."""
    from console.cli.output import print_facts, print_json
    from core.tracking import Runs

    run = Runs(open_workspace(args)).set_tags(args.run_id, dict(args.tags), actor=person())
    if args.json:
        print_json(run.tags)
    else:
        print_facts(run.tags)
    return ExitCode.GOOD


def prune_runs(args: argparse.Namespace) -> int:
    """List the runs to remove; remove them with `--yes`."""
    from console.cli.output import print_json, print_table
    from core.maintenance.disk_reserve import DiskReserve
    from core.settings.policy_source import PolicySource
    from core.tracking import Runs
    from core.training.runs_in_use import runs_in_use

    workspace, actor = open_workspace(args), person()
    runs = Runs(workspace)
    keep = args.keep or PolicySource(workspace.root).policy().tracking.keep_runs
    referenced = runs_in_use(workspace)
    doomed = runs.prunable(keep=keep, referenced=referenced)
    if args.yes:
        prune = functools.partial(runs.prune, keep=keep, referenced=referenced, actor=actor, reason=args.reason)
        DiskReserve(workspace).lend(prune)
    if args.json:
        print_json({"dry_run": not args.yes, "runs": [run.run_id for run in doomed]})
        return ExitCode.GOOD
    rows = [{"run_id": run.run_id, "name": run.name, "status": run.status, "ended_at": run.ended_at} for run in doomed]
    print_table(rows, ("run_id", "name", "status", "ended_at"), empty=f"nothing to prune: up to {keep} runs are kept")
    if doomed:
        print(f"removed {len(doomed)} runs" if args.yes else "nothing was removed; add --yes")
    return ExitCode.GOOD


def import_from_mlflow(args: argparse.Namespace) -> int:
    """Import a run from MLflow; exit code 3 if its model was requested and could not be imported."""
    from console.cli.output import print_json, printable
    from core.interop.mlflow import import_run

    imported = import_run(
        open_workspace(args), args.store, args.run_id, model=args.model, target=args.target, actor=person()
    )
    if args.json:
        print_json(imported)
    else:
        print(f"{args.run_id} is {imported.run.run_id}")
        if imported.version:
            print(f"its model is {imported.version.model} {imported.version.version}, in {imported.version.stage}")
        for note in imported.notes:
            print(f"note: {printable(note)}")
    return ExitCode.REFUSED if args.model and imported.version is None else ExitCode.GOOD


def export_to_mlflow(args: argparse.Namespace) -> int:
    """Export a run to MLflow."""
    from console.cli.output import print_json, printable
    from core.interop.mlflow import export_run

    exported = export_run(open_workspace(args), args.store, args.run_id, experiment=args.experiment)
    if args.json:
        print_json(exported)
        return ExitCode.GOOD
    print(f"{args.run_id} is {exported.mlflow_run_id} in the experiment {printable(exported.experiment)}")
    for name, number in exported.versions.items():
        print(f"{name} is version {number} in its registry")
    for note in exported.notes:
        print(f"note: {printable(note)}")
    return ExitCode.GOOD
