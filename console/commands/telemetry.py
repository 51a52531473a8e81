"""`bondx telemetry`: the traffic of each version by the minute or the hour, and telemetry as files."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    command_parser,
    noun_parser,
    open_workspace,
    removing_unfinished,
)
from core.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

WHAT = ("predictions", "outcomes", "metrics", "resources", "epochs")
_COLUMNS = ("at", "model", "version", "n_requests", "n_rows", "n_failed", "error_share", "p50_ms", "p95_ms", "p99_ms")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "telemetry", help="traffic by the minute or the hour, and telemetry as files")
    traffic = command_parser(
        verbs, "traffic", help="requests, failures and latencies of each version, by the hour or the minute"
    )
    _add_period(traffic, "default: the last 24 hours, of minutes the last hour")
    traffic.add_argument("--by", choices=("hour", "minute"), default="hour", help="default: %(default)s")
    traffic.add_argument("--model", metavar="MODEL", help="only this model")
    add_json_argument(traffic)
    traffic.set_defaults(command=show_traffic)
    export = command_parser(verbs, "export", help="write telemetry into a new folder, as Parquet or CSV")
    export.add_argument(
        "--what", action="append", choices=WHAT, help="repeat for more (default: all; with --model, all but resources)"
    )
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or an empty folder")
    _add_period(export, "default: everything")
    export.add_argument("--model", metavar="MODEL", help="only this model; of epochs, the metrics that begin with it")
    export.add_argument("--format", choices=("parquet", "csv"), default="parquet", help="default: %(default)s")
    export.add_argument("--by", choices=("minute", "hour"), default="minute", help="of metrics (default: %(default)s)")
    add_json_argument(export)
    export.set_defaults(command=export_files)


def _add_period(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--since", metavar="TIME", help=f"02:50, or 2026-03-01T02:50 (UTC); {default}")
    parser.add_argument("--until", metavar="TIME", help="likewise (default: now)")


def _period(args: argparse.Namespace, now: "datetime") -> "tuple[datetime | None, datetime | None]":
    from core.clock import read_instant

    since, until = (read_instant(text, now) if text else None for text in (args.since, args.until))
    return since, until


def show_traffic(args: argparse.Namespace) -> int:
    """Print the traffic of each version."""
    from console.cli.output import print_json, print_table
    from core.clock import utc_now
    from core.telemetry.predictions import PredictionReader, TrafficGrain, traffic_period

    now, grain = utc_now(), TrafficGrain(args.by)
    since, until = traffic_period(*_period(args, now), grain, now)
    found = PredictionReader(open_workspace(args).predictions_file).traffic(since, until, by=grain, model=args.model)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {name: getattr(span, name) for name in _COLUMNS}
        | {"error_share": f"{span.error_share:.2%}"}
        | {name: "" if (ms := getattr(span, name)) is None else f"{ms:.3g}" for name in ("p50_ms", "p95_ms", "p99_ms")}
        for span in found
    ]
    print_table(rows, _COLUMNS, empty="no traffic was recorded in this time")
    return ExitCode.GOOD


def export_files(args: argparse.Namespace) -> int:
    """Write telemetry into a folder, whole or not at all, also when a signal comes."""
    from console.cli.output import print_json, printable
    from console.presentation.phrases import size
    from core.clock import utc_now
    from core.settings.encryption import SealedKind
    from core.settings.sealing import sealer_to_write
    from core.telemetry.export import ExportFormat, ExportKind, ExportRequest, default_kinds, export_telemetry
    from core.telemetry.predictions import TrafficGrain

    now, began = utc_now(), time.monotonic()
    since, until = _period(args, now)
    wanted = ExportRequest(
        kinds=tuple(map(ExportKind, args.what)) if args.what else default_kinds(args.model),
        since=since,
        until=until,
        model=args.model,
        format=ExportFormat(args.format),
        by=TrafficGrain(args.by),
    )
    workspace = open_workspace(args)
    sealer = sealer_to_write(workspace.root, SealedKind.EXPORTS)
    stores = workspace.predictions_file, workspace.telemetry_file
    with removing_unfinished():
        made = export_telemetry(*stores, args.out, wanted, now=now, sealer=sealer)
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    for file in made.files:
        print(f"{file.file}: {file.n_rows:,} rows, {size(file.n_bytes)}")
    print(f"in {printable(made.folder)} ({time.monotonic() - began:.1f} s)")
    return ExitCode.GOOD
