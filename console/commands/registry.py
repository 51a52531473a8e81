"""`bondx registry`: versions and their stages. Every change is planned first, then applied as planned."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from console.cli.consent import add_consent_to_go_live, add_needless_yes_argument, consented_reason
from console.commands import registry_artifacts, registry_metadata
from console.commands.opening import (
    Subparsers,
    add_change_arguments,
    add_json_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from core.errors import ExitCode, RefusedError
from core.registry.stages import Stage, TransitionVerb, reachable

if TYPE_CHECKING:
    from core.registry import Plan, Registry


_LONGEST = 24  # characters of a value in a comparison


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "registry", help="register, promote, roll back and prune model versions")

    listing = command_parser(verbs, "list", help="every version with its stage, the newest of each model first")
    listing.add_argument("model", metavar="MODEL", nargs="?")
    listing.add_argument("--stage", choices=[*map(str, Stage)], help="only this stage")
    add_json_argument(listing)
    listing.set_defaults(command=list_versions)

    show = command_parser(verbs, "show", help="one version: metrics, gates, lineage and who moved it and when")
    _add_version_arguments(show)
    add_json_argument(show)
    show.set_defaults(command=show_version)

    diff = command_parser(verbs, "diff", help="what differs between two versions of a model")
    diff.add_argument("model", metavar="MODEL")
    diff.add_argument("left", metavar="VERSION")
    diff.add_argument("right", metavar="VERSION")
    more = diff.add_mutually_exclusive_group()
    more.add_argument("--slices", action="store_true", help="also the metrics of slices")
    more.add_argument("--all", action="store_true", help="every difference")
    add_json_argument(diff)
    diff.set_defaults(command=diff_versions)

    promote = command_parser(verbs, "promote", help="promote a version one stage, or to --stage, through the gates")
    _add_version_arguments(promote)
    promote.add_argument(
        "--stage",
        choices=[*map(str, reachable(TransitionVerb.PROMOTE))],
        help="target stage, by every step on the way or none (default: the next)",
    )
    add_consent_to_go_live(promote)
    add_change_arguments(promote)
    promote.set_defaults(command=change, verb="promote")
    rollback = command_parser(verbs, "rollback", help="roll back to the previous Production version")
    rollback.add_argument("model", metavar="MODEL")
    add_needless_yes_argument(rollback)
    add_change_arguments(rollback)
    rollback.set_defaults(command=change, verb="rollback")
    undo = command_parser(
        verbs, "undo", help="undo the newest move of a model's versions; each further undo goes one move further back"
    )
    undo.add_argument("model", metavar="MODEL")
    _add_confirm_argument(undo)
    add_change_arguments(undo)
    undo.set_defaults(command=change, verb="undo")
    archive = command_parser(
        verbs, "archive", help="archive a version; the live version only with --confirm: its model is left without one"
    )
    _add_version_arguments(archive)
    _add_confirm_argument(archive)
    add_change_arguments(archive)
    archive.set_defaults(command=change, verb="archive")

    verify = command_parser(verbs, "verify", help="hash every artifact again: exit code 1 if a file differs")
    verify.add_argument("model", metavar="MODEL", nargs="?")
    add_json_argument(verify)
    verify.set_defaults(command=verify_artifacts)

    registry_artifacts.add_verbs(verbs)
    registry_metadata.add_verbs(verbs)


def _add_version_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("version", metavar="VERSION")


def _add_confirm_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--confirm", metavar="VERSION", default="", help="name the live version if no version is live afterwards"
    )


def list_versions(args: argparse.Namespace) -> int:
    """Print versions, the newest of each model first."""
    from console.cli.output import print_json, print_table
    from core.registry import Registry, SemanticVersion
    from core.registry.later_denied import versions_as_shown

    workspace = open_workspace(args)
    registry = Registry(workspace)
    versions = registry.versions(args.model) if args.json else registry.versions_in_brief(args.model)
    versions.sort(key=lambda version: SemanticVersion.parse(version.version), reverse=True)
    versions.sort(key=lambda version: version.model)
    shown = [version for version in versions if args.stage in (None, version.stage)]
    if args.json:
        print_json(versions_as_shown(workspace, shown))
        return ExitCode.GOOD
    rows = [
        {
            "model": version.model,
            "version": version.version,
            "stage": version.stage,
            "attainment": _attainment(version.metrics),
            "created_at": version.created_at,
            "created_by": version.created_by,
            "session_id": version.session_id,
        }
        for version in shown
    ]
    columns = ("model", "version", "stage", "attainment", "created_at", "created_by", "session_id")
    print_table(rows, columns, empty="no versions yet: a finished session registers its models (bondx run)")
    return ExitCode.GOOD


def _attainment(metrics: Mapping[str, float]) -> float | str | None:
    """Return the attainment; where the truth is unknown, the estimated one with `~`."""
    if "attainment" in metrics or "estimated_attainment" not in metrics:
        return metrics.get("attainment")
    return f"~{metrics['estimated_attainment']:.2f}"


def show_version(args: argparse.Namespace) -> int:
    """Print one version and its history."""
    from console.cli.output import print_facts, print_json, printable
    from core.registry import Registry
    from core.registry.language_models import is_language_model
    from core.registry.later_denied import version_as_shown
    from core.tracking.comparison import flatten

    workspace = open_workspace(args)
    registry = Registry(workspace)
    version = version_as_shown(workspace, registry.get(args.model, args.version))
    moves = registry.history(args.model, args.version)
    if args.json:
        import msgspec

        print_json(msgspec.to_builtins(version) | {"history": msgspec.to_builtins(moves)})
        return ExitCode.GOOD
    facts: dict[str, object] = {
        name: getattr(version, name)
        for name in ("model", "version", "stage", "stage_since", "created_at", "created_by", "run_id", "session_id")
    }
    facts |= {"replaces": version.replaces or None, "artifact": version.path}
    facts |= {"manifest_sha256": version.manifest_sha256, "number": version.bump or None}
    aliases = [f"@{alias}" for alias, number in registry.aliases(args.model).items() if number == version.version]
    approved_by = [approval.person for approval in registry.approvals(args.model, args.version)]
    facts |= {"aliases": aliases, "approved_by": approved_by, "tags": version.tags}
    facts |= {f"metric {name}": value for name, value in sorted(version.metrics.items())}
    facts |= {f"gate {gate.name}": f"{gate.verdict} ({gate.sentence})" for gate in version.gates}
    facts |= {f"lineage {name}": value for name, value in flatten(version.lineage).items()}
    if is_language_model(version):
        facts |= {"reads": "prompt, a text", "writes": f"text, synthetic: POST /api/v1/generate/{version.model}"}
    print_facts(facts)
    for move in moves:
        print(printable(move))
    for warning in registry.environment_warnings(args.model, args.version):
        print(f"warning: {printable(warning)}")
    return ExitCode.GOOD


def diff_versions(args: argparse.Namespace) -> int:
    """Print the differences of two versions."""
    from console.cli.output import print_json, print_table, printable
    from core.registry import Registry

    diff = Registry(open_workspace(args)).diff(args.model, args.left, args.right)
    if args.json:
        print_json(diff)
        return ExitCode.GOOD
    shown = diff.changed if args.all else diff.first(slices=args.slices)
    rows = [
        {
            "field": f"{row.section}.{row.name}",
            args.left: _short(row.before),
            args.right: _short(row.after),
            "change": row.delta,
        }
        for row in shown
    ]
    print_table(rows, ("field", args.left, args.right, "change"), empty="these versions do not differ")
    if left_out := diff.left_out(shown):
        options = "--slices shows slices, --all everything" if "slices" in left_out else "--all shows everything"
        print(f"also changed: {', '.join(f'{n} in {section}' for section, n in left_out.items())} ({options})")
    for note in diff.notes:
        print(f"note: {printable(note)}")
    return ExitCode.GOOD


def _short(value: object) -> object:
    """Cut a long text, so that a row stays on its line."""
    return f"{value[: _LONGEST - 1]}…" if isinstance(value, str) and len(value) > _LONGEST else value


def change(args: argparse.Namespace) -> int:
    """Plan a change of stage, show the plan, and apply it unless this is a dry run or a gate forbids it."""
    from console.cli.output import print_json
    from core.registry import Registry
    from core.registry.later_denied import versions_as_shown
    from core.registry.planning import require_confirmed

    workspace = open_workspace(args)
    registry = Registry(workspace)
    plans = _plans(registry, args)
    plan = plans[-1]
    refused = next((step for step in plans if not step.allowed), None)
    if not args.json:
        for step in plans:
            _print_plan(step, is_dry_run=args.dry_run)
    elif args.dry_run:
        print_json(plan if len(plans) == 1 else plans)
    if args.dry_run:
        return ExitCode.GOOD if refused is None else ExitCode.REFUSED
    if refused is not None:
        raise RefusedError(refused.refusal or f"{plan.verb} of {args.model} is not allowed")
    require_confirmed(plan, getattr(args, "confirm", ""))
    reason = consented_reason(plan, args) if args.verb == "promote" else args.reason
    moved = registry.apply_all(plans, actor=person(), reason=reason)
    if args.json:
        print_json(versions_as_shown(workspace, moved))
    else:
        for version in moved:
            print(f"{version.model} {version.version} is now {version.stage}")
    return ExitCode.GOOD


def verify_artifacts(args: argparse.Namespace) -> int:
    """Hash every artifact again."""
    from console.cli.output import print_json, print_table
    from core.registry import Registry

    results = Registry(open_workspace(args)).verify(args.model)
    if args.json:
        print_json(results)
    else:
        rows = [
            {
                "model": r.model,
                "version": r.version,
                "result": "ok" if r.ok else "NOT READ" if r.is_unread else "DAMAGED",
                "problems": r.problems,
            }
            for r in results
        ]
        print_table(rows, ("model", "version", "result", "problems"), empty="no versions to verify")
    return ExitCode.GOOD if all(result.ok for result in results) else ExitCode.FAILING


def _plans(registry: "Registry", args: argparse.Namespace) -> "list[Plan]":
    match args.verb:
        case "promote" if args.stage:
            return registry.plan_promotions(args.model, args.version, Stage(args.stage), actor=person())
        case "promote":
            return [registry.plan_promotion(args.model, args.version, actor=person())]
        case "archive":
            return [registry.plan_archive(args.model, args.version)]
        case "rollback":
            return [registry.plan_rollback(args.model)]
        case _:
            return [registry.plan_undo(args.model)]


def _print_plan(plan: "Plan", *, is_dry_run: bool) -> None:
    from console.cli.output import print_evidence, printable

    if plan.changes:
        print(f"{plan.verb} {plan.model} {plan.version}: {plan.from_stage} -> {plan.to_stage}")
    print_evidence(plan)
    if plan.undo:
        print(f"  to undo: {printable(plan.undo)}")
    if is_dry_run and plan.refusal:  # else it is the error
        print(f"refused: {printable(plan.refusal)}")
