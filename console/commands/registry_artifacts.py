"""`bondx registry register`, `member`, `prune`, `lineage`, `bom`, `provenance`, `signature`: versions come and go."""

import argparse
from pathlib import Path

from console.commands.opening import (
    Subparsers,
    add_consent_arguments,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
    removing_unfinished,
)
from console.commands.typed_numbers import count, number
from core.errors import ExitCode

LINEAGE_REACH = 10  # versions around the requested one that are never folded
LINEAGE_COLUMNS = ("", "version", "stage", "aliases", "changed", "created", "metric", "data", "run")
FORMATS = ("onnx", "kserve", "saved-model")
BUMPS = ("auto", "major", "minor", "patch")


def add_verbs(verbs: Subparsers) -> None:
    """Add the verbs of this module below the noun."""
    register = command_parser(verbs, "register", help="register a folder or file as the next version of a model")
    register.add_argument("model", metavar="MODEL")
    register.add_argument("--path", required=True, type=Path, metavar="DIR|FILE", help="the folder or file to register")
    register.add_argument(
        "--metric", action="append", default=[], type=metric, metavar="NAME=NUMBER", help="repeatable"
    )
    register.add_argument("--tag", action="append", default=[], type=pair, metavar="NAME=TEXT", help="repeatable")
    register.add_argument(
        "--data", action="append", default=[], type=pair, metavar="NAME=SHA256", help="its training data; repeatable"
    )
    register.add_argument(
        "--parent", action="append", default=[], metavar="VERSION", help="its parent version: 1.2.0 or MODEL/1.2.0"
    )
    register.add_argument("--run", default="", metavar="RUN", help="the tracked run it came from")
    register.add_argument("--description", default="", metavar="TEXT")
    register.add_argument("--bump", choices=BUMPS, default="auto", help="auto (default): derived from the change")
    add_reason_argument(register)
    add_json_argument(register)
    register.set_defaults(command=register_path)

    member = command_parser(
        verbs, "member", help="register a member of an ensemble as a version of its own, to compare the two"
    )
    member.add_argument("model", metavar="MODEL")
    member.add_argument("version", metavar="VERSION", help="the ensemble")
    member.add_argument("member", metavar="MEMBER", help="its name, such as linear")
    member.add_argument(
        "--data", type=Path, metavar="FILE", help="rows with their outcomes to measure it on, new to the ensemble"
    )
    add_reason_argument(member)
    add_json_argument(member)
    member.set_defaults(command=register_one_member)

    prune = command_parser(verbs, "prune", help="remove the versions that the policy drops; a dry run without --yes")
    prune.add_argument("model", metavar="MODEL", nargs="?")
    prune.add_argument(
        "--keep", type=count, metavar="N", help="number of newest versions to keep in each stage (overrides the policy)"
    )
    add_consent_arguments(prune)
    add_reason_argument(prune)
    add_json_argument(prune)
    prune.set_defaults(command=prune_versions)

    export = command_parser(
        verbs,
        "export",
        help="write a version as ONNX, or for Triton, MLServer, KServe or TensorFlow Serving, once it answers alike",
    )
    export.add_argument("model", metavar="MODEL")
    export.add_argument("version", metavar="VERSION")
    export.add_argument("--format", choices=FORMATS, default="onnx", help="default: %(default)s")
    export.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="a new file; for kserve and saved-model a new or an empty folder",
    )
    export.add_argument(
        "--storage-uri",
        metavar="URI",
        help="where KServe finds the folder models (default: pvc://bondx-models/MODEL/VERSION/models)",
    )
    add_json_argument(export)
    export.set_defaults(command=export_one)

    lineage = command_parser(
        verbs, "lineage", help="the ancestors and descendants of a version, with data and runs, as a graph"
    )
    lineage.add_argument("model", metavar="MODEL")
    lineage.add_argument("version", metavar="VERSION", nargs="?")
    lineage.add_argument("--all", action="store_true", help="do not fold ordinary versions")
    add_json_argument(lineage)
    lineage.set_defaults(command=show_lineage)

    for name, help_, command in (
        ("bom", "the bill of materials of a version: model card, data, files and packages (CycloneDX)", show_bill),
        ("provenance", "what made a version, from what, signed (in-toto statement, SLSA)", show_provenance),
        ("signature", "the signature of a version's files, for model_signing verify key", show_signature),
    ):
        document = command_parser(verbs, name, help=help_)
        document.add_argument("model", metavar="MODEL")
        document.add_argument("version", metavar="VERSION")
        document.add_argument("--out", type=Path, metavar="FILE", help="write a new file instead of printing")
        document.set_defaults(command=command)


def register_path(args: argparse.Namespace) -> int:
    """Register a folder or file."""
    from console.cli.output import print_json
    from core.registry import Registry
    from core.registry.later_denied import version_as_shown
    from core.tracking import Runs

    workspace = open_workspace(args)
    if args.run:
        Runs(workspace).get(args.run)
    version = Registry(workspace).register(
        args.model,
        args.path,
        metrics=dict(args.metric),
        lineage={"data": dict(args.data)} if args.data else {},
        gates=(),
        actor=person(),
        run_id=args.run,
        bump=args.bump,
        parents=args.parent,
        tags=dict(args.tag),
        description=args.description,
        reason=args.reason,
        reads=True,
    )
    if args.json:
        print_json(version_as_shown(workspace, version))
    else:
        why = f" ({version.bump})" if version.bump else ""
        print(f"{version.model} {version.version} is registered in {version.stage}{why}")
        if version.checked:
            print(f"{version.checked[:1].upper()}{version.checked[1:]}.")
    return ExitCode.GOOD


def register_one_member(args: argparse.Namespace) -> int:
    """Register a member of an ensemble, and say on which rows it was measured."""
    from console.cli.output import print_json, printable
    from core.registry.later_denied import version_as_shown
    from core.settings import settings_in_force
    from core.training.member_versions import register_member

    workspace = open_workspace(args)
    found = register_member(
        workspace,
        args.model,
        args.version,
        args.member,
        settings_in_force(workspace.root),
        actor=person(),
        data=args.data,
        reason=args.reason,
    )
    version = found.version
    if args.json:
        print_json(version_as_shown(workspace, version))
        return ExitCode.GOOD
    print(found.told())
    print(f"It is {printable(version.description)}, and answers as it does there. {found.measured}")
    return ExitCode.GOOD


def prune_versions(args: argparse.Namespace) -> int:
    """List the versions to remove and why the rest stays; remove them with `--yes`."""
    from console.cli.output import print_json, print_table
    from console.presentation.phrases import counted
    from core.maintenance.disk_reserve import DiskReserve
    from core.registry import Registry

    workspace = open_workspace(args)
    registry = Registry(workspace)
    plan, actor = registry.plan_prune(args.model, keep=args.keep), person()
    lend = DiskReserve(workspace).lend
    gone = lend(lambda: registry.prune(plan, actor=actor, reason=args.reason)) if args.yes else ()
    removed = {(c.model, c.version): c for c in gone}
    candidates = [removed.get((c.model, c.version), c) for c in plan.candidates]
    if args.json:
        print_json({"dry_run": not args.yes, "n_bytes": plan.n_bytes, "versions": candidates})
        return ExitCode.GOOD
    goes = "removed" if args.yes else "would go"
    rows = [
        {
            "model": c.model,
            "version": c.version,
            "stage": c.stage,
            "decision": goes if c.goes else "stays",
            "why": f"{c.reason}; its files stay: {c.files_left}" if c.files_left else c.reason,
        }
        for c in candidates
    ]
    print_table(rows, ("model", "version", "stage", "decision", "why"), empty="no versions to prune")
    if args.yes:
        print(f"{counted(len(gone), 'version')} removed, {plan.n_bytes / 1e6:,.1f} MB")
    elif plan.doomed:
        going = counted(len(plan.doomed), "version")
        print(f"{going} would go, {plan.n_bytes / 1e6:,.1f} MB; nothing was removed. Add --yes.")
    return ExitCode.GOOD


def export_one(args: argparse.Namespace) -> int:
    """Write a version for other servers, whole or not at all, also when a signal comes."""
    from console.cli.output import print_json, printable
    from console.presentation.phrases import size
    from core.interop.version_export import VersionFormat, export_version

    workspace = open_workspace(args)
    with removing_unfinished():
        made = export_version(
            workspace,
            args.model,
            args.version,
            args.out,
            format=VersionFormat(args.format),
            storage_uri=args.storage_uri,
        )
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    parity = made.parity
    form = "a SavedModel" if made.format is VersionFormat.SAVED_MODEL else "ONNX"
    print(f"{made.model} {made.version} is in {printable(made.out)} ({size(made.n_bytes)} of {form})")
    print(
        f"It answers {parity.n_held_out:,} held-out rows and {parity.n_made:,} made ones as the version does: they "
        f"differ by {parity.largest:.1g} of the answer at most."
    )
    if made.pseudonyms:
        print(f"It reads pseudonyms, and no values, of {printable(', '.join(made.pseudonyms))}: bondx data anonymise.")
    return ExitCode.GOOD


def show_lineage(args: argparse.Namespace) -> int:
    """Draw a lineage, descendants above ancestors."""
    from console.cli.output import draws_lines, print_json, print_table
    from core.registry import Registry
    from core.registry.ancestry import ancestry
    from core.registry.graph_layout import GraphRow, in_ascii

    registry = Registry(open_workspace(args))
    graph = registry.lineage(args.model, args.version)
    if args.json:
        print_json(graph)
        return ExitCode.GOOD
    tree = ancestry(graph, registry.versions_in_brief(), registry.all_aliases())
    near = registry.get(args.model, args.version).key if args.version else ""
    rows: list[dict[str, object]] = []
    is_folded = False
    for row in tree.rows((near,), reach=LINEAGE_REACH, whole=args.all):
        lines = row.text if draws_lines() else in_ascii(row.text)
        if isinstance(row, GraphRow):
            version = tree.by_key[row.key]
            named = version.version if version.model == args.model else f"{version.model} {version.version}"
            rows.append(
                {
                    "": lines,
                    "version": named,
                    "stage": version.stage or version.detail,
                    "aliases": version.aliases,
                    "changed": version.changes,
                    "created": version.created_at,
                    "metric": dict((version.metric,)) if version.metric else None,
                    "data": version.data,
                    "run": version.run_id or None,
                }
            )
        else:
            is_folded = True
            rows.append({**dict.fromkeys(LINEAGE_COLUMNS, ""), "": lines, "version": f"{len(row.keys):,} more"})
    print_table(rows, LINEAGE_COLUMNS, empty=f"{args.model} has no versions")
    if is_folded:
        print("--all shows every version.")
    return ExitCode.GOOD


def show_bill(args: argparse.Namespace) -> int:
    """Print the bill of materials of a version, or write it into a new file."""
    from core.evidence import bill_of_version, encoded_record
    from core.evidence.bill import SPEC_VERSION

    _require_new(args.out)
    content = encoded_record(bill_of_version(open_workspace(args), args.model, args.version))
    return _hand_out(content, args.out, f"bill of materials of {args.model} {args.version}, CycloneDX {SPEC_VERSION}")


def show_provenance(args: argparse.Namespace) -> int:
    """Print the provenance of a version, or write it into a new file."""
    from console.cli.output import complain
    from core.evidence import encoded_record, is_signed_provenance, provenance_of

    _require_new(args.out)
    found = provenance_of(open_workspace(args), args.model, args.version)
    if not is_signed_provenance(found):
        complain("warning: not signed, because this account cannot read keys/audit-signing.key of the workspace.")
    return _hand_out(encoded_record(found), args.out, f"provenance of {args.model} {args.version}, SLSA 1")


def show_signature(args: argparse.Namespace) -> int:
    """Print the signature of a version's files, or write it into a new file."""
    from core.evidence import signature_of_version

    _require_new(args.out)
    content = signature_of_version(open_workspace(args), args.model, args.version)
    return _hand_out(content, args.out, f"signature of {args.model} {args.version}, OpenSSF Model Signing 1.0")


def _require_new(out: Path | None) -> None:
    from core.output_files import require_new_output

    if out is not None:
        require_new_output(out)


def _hand_out(content: bytes, out: Path | None, title: str) -> int:
    """Print a document, or write it into a new file."""
    from console.cli.output import printable
    from console.cli.streams import answers
    from core.output_files import write_new_output

    if out is None:
        print(content.decode(), end="", file=answers())
    else:
        write_new_output(out, content)
        print(printable(f"{out}: {title}"))
    return ExitCode.GOOD


def pair(text: str) -> tuple[str, str]:
    """Read NAME=TEXT (an argparse type)."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value


def metric(text: str) -> tuple[str, float]:
    """Read NAME=NUMBER (an argparse type)."""
    name, value = pair(text)
    return name, number(value)
