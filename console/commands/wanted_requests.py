"""`bondx labels` on recorded requests: which outcomes are wanted, and what those that came prove."""

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import open_workspace, person
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.monitoring.documents import LabelsPart
    from core.monitoring.labels.answers import WantedRequests

MOST_IDS_BYTES = 256 << 20


def name_requests(args: argparse.Namespace) -> int:
    """Name recorded requests."""
    from console.cli.output import print_json, print_table, printable
    from core.output_files import write_new_output
    from core.training.own_data.wanted_requests import wanted_requests

    found = wanted_requests(
        open_workspace(args),
        args.model,
        actor=person(),
        n=args.n,
        seed=args.seed,
        version=args.version,
        requests=None if args.requests is None else _ids(args.requests),
        again=args.again,
        reason=args.reason,
    )
    if args.out is not None:
        write_new_output(args.out, _csv(found))
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    if args.out is None:
        rows = [
            {"request": each.request_id, "row": each.row, "chance": f"{each.chance:.3g}"} for each in found.requests
        ]
        print_table(rows, ("request", "row", "chance"), empty="")
    when = "drawn now" if found.is_new else f"drawn on {found.asked_at:%Y-%m-%d %H:%M} UTC by {found.asked_by}"
    where = f" in {printable(args.out)}" if args.out is not None else ""
    print(f"{printable(found.draw)}: {len(found.requests)} of {found.n_rows:,} rows{where}, {printable(when)}")
    print("Report their outcomes from the top; bondx labels judge says what they prove.")
    _print_notes(found.labels)
    return ExitCode.GOOD


def _ids(path: Path) -> list[str]:
    from core.plain_files import open_plain

    try:
        with open_plain(path) as file:
            content = file.read(MOST_IDS_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text. Write one id of a request a line.") from error
    if len(content) > MOST_IDS_BYTES:
        raise UsageError(f"{path} has more than {MOST_IDS_BYTES >> 20} MiB of ids. Give fewer.")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _csv(found: "WantedRequests") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["request_id", "row", "actual"])
    writer.writerows([each.request_id, each.row, ""] for each in found.requests)
    return out.getvalue().encode()


def judge_recorded(args: argparse.Namespace) -> int:
    """Judge a version by the outcomes of wanted requests."""
    from console.cli.output import print_json, printable
    from core.clock import utc_now
    from core.monitoring.verdicts import PerformanceVerdict
    from core.training.own_data.wanted_requests import judged_requests

    found = judged_requests(open_workspace(args), args.model, args.version, now=utc_now())
    labels = found.labels
    if args.json:
        print_json(found)
    else:
        print(
            f"{printable(found.model)} {found.version}: {labels.n_outcomes:,} outcomes for {labels.n_wanted:,} wanted "
            f"of {labels.n_rows:,} rows, {labels.n_draws:,} draws count"
        )
        print(f"{labels.verdict}: {labels.reason}")
        _print_notes(labels)
    return ExitCode.FAILING if labels.verdict is PerformanceVerdict.FELL else ExitCode.GOOD


def _print_notes(labels: "LabelsPart") -> None:
    from console.cli.output import printable

    if labels.by_when:
        print(labels.by_when)
    for note in labels.notes:
        print(f"note: {printable(note)}")
