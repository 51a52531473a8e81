"""`bondx evidence`: packs of what is recorded about a version, session, rollout, stress test or period, with proof."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.evidence import EvidencePacks, KeptPack


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "evidence", help="build, read and verify packs of evidence for auditors")
    kinds = noun_parser(verbs, "build", help="gather what is recorded, prove it, and sign it")
    version = command_parser(kinds, "version", help="about a version: its data, scores, gates, rollouts and moves")
    version.add_argument("model", metavar="MODEL")
    version.add_argument("version", metavar="VERSION")
    version.set_defaults(build=_of_version)
    for kind, help_, build in (
        ("session", "about a training session and the versions that it registered", _of_session),
        ("rollout", "about a rollout, its candidate and its stable version", _of_rollout),
        ("stress", "about a stress test", _of_stress_test),
    ):
        parser = command_parser(kinds, kind, help=help_)
        parser.add_argument("named", metavar="ID")
        parser.set_defaults(build=build)
    period = command_parser(kinds, "model", help="about a model in a period")
    period.add_argument("model", metavar="MODEL")
    period.add_argument("--since", metavar="TIME", required=True, help="2026-01-01T00:00 (UTC)")
    period.add_argument("--until", metavar="TIME", help="likewise, not included (default: now)")
    period.set_defaults(build=_of_model)
    for parser in kinds.choices.values():
        parser.add_argument(
            "--pdf",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="with a PDF/A (default: with one, if the extra pdf is installed)",
        )
        parser.add_argument(
            "--draft", action="append", default=[], metavar="DRAFT", dest="drafts",
            help="a draft of bondx text draft --record for the annex, beside those its versions wrote (repeatable)",
        )  # fmt: skip
        add_reason_argument(parser)
        add_json_argument(parser)
        parser.set_defaults(command=build_pack)
    listing = command_parser(verbs, "list", help="the packs of the workspace, the newest first")
    add_json_argument(listing)
    listing.set_defaults(command=list_packs)
    drafts = command_parser(
        verbs, "drafts", help="the recorded drafts of narratives, the newest first, and what has changed since"
    )
    add_json_argument(drafts)
    drafts.set_defaults(command=list_drafts)
    show = command_parser(verbs, "show", help="the sections of a pack, and what is missing in each")
    show.add_argument("pack", metavar="PACK", help="ev-0001")
    add_json_argument(show)
    show.set_defaults(command=show_pack)
    keys = command_parser(verbs, "keys", help="the keys that sign versions and packs for programs of others")
    add_json_argument(keys)
    keys.set_defaults(command=list_keys)
    rotate = command_parser(
        verbs, "rotate-key", help="replace the key that signs versions and packs; what it has signed stays valid"
    )
    rotate.add_argument(
        "--leaked",
        action="store_true",
        help="somebody else may have the key: its signatures count no more, and every version is signed anew",
    )
    rotate.add_argument(
        "--former", default="", metavar="FINGERPRINT", help="with --leaked: a former key leaked; the present one stays"
    )
    add_reason_argument(rotate)
    add_json_argument(rotate)
    rotate.set_defaults(command=rotate_key)
    verify = command_parser(
        verbs, "verify", help="check a pack on any machine, without its workspace: exit code 1 if anything was edited"
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="the folder of the pack, or any of its files")
    verify.add_argument(
        "--key", type=Path, metavar="PUB", required=True, help="the public key of its workspace, keys/audit-signing.pub"
    )
    verify.add_argument(
        "--anchor", type=Path, metavar="FILE", help="positions of its log kept elsewhere by `bondx audit anchor`"
    )
    add_json_argument(verify)
    verify.set_defaults(command=verify_pack_file)


def build_pack(args: argparse.Namespace) -> int:
    """Build a pack, and print where it is."""
    from console.cli.output import print_json
    from console.presentation.phrases import counted
    from core.evidence import EvidencePacks

    packs = EvidencePacks(open_workspace(args))
    pack = args.build(packs, args)
    if args.json:
        print_json(pack)
        return ExitCode.GOOD
    print(f"{pack.pack_id}: evidence on {pack.title}")
    sources = counted(pack.n_sources, "source")
    print(f"{sources}; {pack.n_missing:,} missing; proved up to audit record {pack.audit_sequence:,}")
    for file in packs.files_of(pack):
        print(file)
    return ExitCode.GOOD


def _of_version(packs: "EvidencePacks", args: argparse.Namespace) -> "KeptPack":
    return packs.of_version(
        args.model, args.version, actor=person(), reason=args.reason, pdf=args.pdf, drafts=args.drafts
    )


def _of_session(packs: "EvidencePacks", args: argparse.Namespace) -> "KeptPack":
    return packs.of_session(args.named, actor=person(), reason=args.reason, pdf=args.pdf, drafts=args.drafts)


def _of_rollout(packs: "EvidencePacks", args: argparse.Namespace) -> "KeptPack":
    return packs.of_rollout(args.named, actor=person(), reason=args.reason, pdf=args.pdf, drafts=args.drafts)


def _of_stress_test(packs: "EvidencePacks", args: argparse.Namespace) -> "KeptPack":
    return packs.of_stress_test(args.named, actor=person(), reason=args.reason, pdf=args.pdf, drafts=args.drafts)


def _of_model(packs: "EvidencePacks", args: argparse.Namespace) -> "KeptPack":
    from core.clock import read_instant, utc_now

    now = utc_now()
    until = read_instant(args.until, now) if args.until else now
    return packs.of_model(
        args.model,
        read_instant(args.since, now),
        until,
        actor=person(),
        reason=args.reason,
        pdf=args.pdf,
        drafts=args.drafts,
    )


def list_packs(args: argparse.Namespace) -> int:
    """Print the packs."""
    from console.cli.output import print_json, print_table
    from core.evidence import EvidencePacks

    found = EvidencePacks(open_workspace(args)).all()
    if args.json:
        print_json(found)
    else:
        columns = ("pack_id", "kind", "subject", "built_at", "built_by", "n_missing")
        rows = [{name: getattr(pack, name) for name in columns} for pack in found]
        print_table(rows, columns, empty="no pack has been built: bondx evidence build version MODEL VERSION")
    return ExitCode.GOOD


def list_drafts(args: argparse.Namespace) -> int:
    """Print the recorded drafts, each with what it is and what has changed since."""
    from console.cli.output import print_json, print_table, printable
    from core.evidence import NarrativeDrafts

    told = NarrativeDrafts(open_workspace(args)).told()
    if args.json:
        print_json(told)
        return ExitCode.GOOD
    rows = [
        {
            "draft": each.draft.draft_id,
            "about": printable(each.draft.about),
            "what it is": printable(each.author),
            "not confirmed": each.draft.n_unconfirmed,
            "changed since": printable(" ".join(each.changes)) or "no",
        }
        for each in told
    ]
    columns = ("draft", "about", "what it is", "not confirmed", "changed since")
    print_table(rows, columns, empty="no draft is recorded: bondx text draft REPORTS --record")
    return ExitCode.GOOD


def show_pack(args: argparse.Namespace) -> int:
    """Print the sections of a pack and what is missing in each."""
    from console.cli.output import print_json, print_table, printable
    from core.evidence import EvidencePacks

    packs = EvidencePacks(open_workspace(args))
    kept, pack = packs.get(args.pack), packs.read(args.pack)
    if args.json:
        print_json(pack)
        return ExitCode.GOOD
    print(printable(f"{pack.pack_id}: evidence on {pack.title}, built {pack.built_at:%Y-%m-%d %H:%M} UTC"))
    rows = [
        {"no": each.number, "section": each.title, "recorded": each.status, "missing": len(each.missing)}
        for each in pack.sections
    ]
    print_table(rows, ("no", "section", "recorded", "missing"), empty="")
    for section in pack.sections:
        for sentence in section.missing:
            print(printable(f"{section.number:>2} missing: {sentence}"))
    for file in packs.files_of(kept):
        print(file)
    return ExitCode.GOOD


def verify_pack_file(args: argparse.Namespace) -> int:
    """Check a pack; exit code 1 if anything was edited."""
    from console.cli.output import complain, print_json, printable
    from console.presentation.phrases import counted
    from core.evidence import verify_pack
    from core.governance import read_anchors

    anchors = read_anchors(args.anchor) if args.anchor else []
    verdict = verify_pack(args.file, args.key, anchors, beside=[args.anchor] if args.anchor else [])
    if args.json:
        print_json(verdict)
    elif verdict.ok:
        print(printable(f"{verdict.pack_id} on {verdict.subject} is intact"))
        print(f"{counted(verdict.n_sources, 'source')}, {verdict.n_vouched:,} of them vouched for by audit records")
        print(f"{counted(verdict.n_records, 'audit record')} proved, up to record {verdict.audit_sequence:,}")
        if verdict.n_anchors:
            print(f"{counted(verdict.n_anchors, 'anchor')} confirmed")
    else:
        for sentence in verdict.damage:
            complain(f"{sentence}.")
    return ExitCode.GOOD if verdict.ok else ExitCode.FAILING


def list_keys(args: argparse.Namespace) -> int:
    """Print the keys that sign versions and packs, or did."""
    from console.cli.output import print_json, print_table
    from core.evidence import signing_keys

    found = signing_keys(open_workspace(args))
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "key": each.fingerprint,
            "signs": "now"
            if each.is_present
            else f"until {each.until:%Y-%m-%d %H:%M} UTC"
            if each.until
            else "no more",
            "counts": "no, it leaked" if each.has_leaked else "yes",
            "versions": each.n_versions,
            "public half": each.file,
        }
        for each in found
    ]
    print_table(rows, ("key", "signs", "counts", "versions", "public half"), empty="no key has signed anything yet")
    return ExitCode.GOOD


def rotate_key(args: argparse.Namespace) -> int:
    """Rotate the key, and print what that changes for others; exit code 1 if a version could not be signed anew."""
    from console.cli.output import complain, print_json
    from console.presentation.phrases import counted
    from core.evidence import rotate_signing_key

    done = rotate_signing_key(
        open_workspace(args), actor=person(), has_leaked=args.leaked, former=args.former, reason=args.reason
    )
    if args.json:
        print_json(done)
    else:
        print(f"{done.present} signs versions and packs: give keys/model-signing.pub to whoever verifies them")
        if done.has_leaked:
            print(f"{done.former} counts no more ({done.former_file}): tell whoever has it")
            print(f"signed anew: {counted(done.n_signed, 'version')}")
            if done.packs:
                print(f"signed by it for programs of others, build them again: {', '.join(done.packs)}")
        else:
            print(f"{done.former} signs no more; what it has signed verifies with {done.former_file}")
    for sentence in done.unsigned:
        complain(f"Not signed: {sentence}")
    return ExitCode.FAILING if done.unsigned else ExitCode.GOOD
