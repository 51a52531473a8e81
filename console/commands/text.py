"""`bondx text`: texts with a known truth, and models of language that are judged by it."""

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
    quoted_cells,
)
from console.commands.typed_numbers import count, day, number, share, whole
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.domains.narrative import DraftedNarrative, QuotedCells
    from core.settings.text_model import TextModelSettings
    from core.text.judging import TextReport
    from core.text.prepared import TextProgress

_NAMES = ("all", "known", "held-out")
_MOST_DOCUMENTS = 2_000_000
_N_FIXED = 257
_MOST_WRITTEN = 10_000
_DRAFT_SEED = 42


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "text", help="texts with a known truth, and models of language")
    corpus = command_parser(verbs, "corpus", help="draw documents from a grammar, each with a known probability")
    corpus.add_argument(
        "--out", type=Path, required=True, metavar="FILE",
        help="a new file: .txt, a document a line; or .jsonl, with the truth of each",
    )  # fmt: skip
    corpus.add_argument("--seed", type=whole, default=42, metavar="S", help="same seed, same bytes (default 42)")
    corpus.add_argument("--n", type=count, default=20_000, metavar="N", help="how many documents (default 20000)")
    corpus.add_argument("--domain", default="etrm", metavar="NAME", help="whose grammar draws them (default etrm)")
    corpus.add_argument(
        "--names", choices=_NAMES, default=_NAMES[0],
        help="all names of parties, the known ones, or those held out from training (default all)",
    )  # fmt: skip
    add_json_argument(corpus)
    corpus.set_defaults(command=write)
    tokenizer = command_parser(verbs, "tokenizer", help="train a tokenizer on documents, and say what it reaches")
    tokenizer.add_argument("corpus", type=Path, metavar="CORPUS", help="documents: .txt, one a line; or .jsonl")
    tokenizer.add_argument(
        "--kind", choices=("word", "bpe"), default="word", help="whole words or byte pairs (default word)"
    )
    tokenizer.add_argument(
        "--vocab-size", type=count, default=10_000, metavar="N", help="the largest vocabulary (default 10000)"
    )
    tokenizer.add_argument("--out", type=Path, metavar="FILE", help="write it into a new JSON file")
    add_json_argument(tokenizer)
    tokenizer.set_defaults(command=tokenize)
    train = command_parser(verbs, "train", help="train the model of text_model in the settings; a killed one goes on")
    train.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new folder, or that of a killed training"
    )
    train.add_argument(
        "--architecture", choices=("auto", "decoder", "ngram"), help="instead of text_model.architecture"
    )
    train.add_argument("--corpus", type=Path, metavar="FILE", help="your own documents, instead of text_model.corpus")
    train.add_argument("--base", type=Path, metavar="DIR", help="fine-tune this model: ours, or a GPT-2 as safetensors")
    train.add_argument(
        "--lora-rank", type=whole, metavar="N", help="train adapters of this rank on the base; 0: all its weights"
    )
    train.add_argument("--teacher", type=Path, metavar="DIR", help="learn from this larger model, too (distillation)")
    train.add_argument(
        "--processes", type=count, default=1, metavar="N", help="train a decoder in N processes here (default 1)"
    )
    add_json_argument(train)
    train.set_defaults(command=train_model)
    judge = command_parser(verbs, "judge", help="judge a trained model: nats above the floor, beside simple models")
    judge.add_argument("model", type=Path, metavar="DIR", help="the folder of bondx text train")
    judge.add_argument(
        "--written", type=whole, default=100, metavar="N", help="documents that it writes to be judged (default 100)"
    )
    judge.add_argument(
        "--against", type=Path, metavar="DIR", help="compare it with this model on what that one is judged by"
    )
    judge.add_argument(
        "--max-excess", type=number, metavar="NATS", help="exit code 1 if it needs more nats a token above the floor"
    )
    add_json_argument(judge)
    judge.set_defaults(command=judge_model)
    shrink = command_parser(verbs, "shrink", help="make a smaller model of a trained decoder, and say what that costs")
    shrink.add_argument("model", type=Path, metavar="DIR", help="the folder of bondx text train; it stays as it is")
    shrink.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    shrink.add_argument("--int8", action="store_true", help="round the linear layers to eight bits")
    shrink.add_argument(
        "--hidden-units", type=count, metavar="N", help="keep this many units of each feed-forward layer"
    )
    add_json_argument(shrink)
    shrink.set_defaults(command=shrink_model)
    sample = command_parser(verbs, "sample", help="let a trained model write documents")
    sample.add_argument("model", type=Path, metavar="DIR", help="the folder of bondx text train")
    sample.add_argument("--n", type=count, default=1, metavar="N", help="how many documents (default 1)")
    sample.add_argument("--prompt", default="", metavar="TEXT", help="how each begins, at most 8,000 characters")
    sample.add_argument("--temperature", type=number, default=1.0, metavar="X", help="0: the likeliest (default 1)")
    sample.add_argument("--top-p", type=share, default=1.0, metavar="SHARE", help="only the likeliest (default 1)")
    sample.add_argument("--max-tokens", type=count, default=256, metavar="N", help="longest document (default 256)")
    sample.add_argument("--seed", type=whole, default=42, metavar="S", help="same seed, same text (default 42)")
    sample.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="a text that ends a document (repeatable)"
    )
    add_json_argument(sample)
    sample.set_defaults(command=sample_model)
    register = command_parser(
        verbs, "register", help="judge a trained model, and register it as the next version of a model"
    )
    register.add_argument("folder", type=Path, metavar="DIR", help="the folder of bondx text train")
    register.add_argument("--model", required=True, metavar="NAME", help="the model; its first version creates it")
    register.add_argument(
        "--written", type=whole, default=200, metavar="N", help="documents that it writes to be judged (default 200)"
    )
    register.add_argument("--description", default="", metavar="TEXT")
    add_reason_argument(register)
    add_json_argument(register)
    register.set_defaults(command=register_model)
    serve = command_parser(verbs, "serve", help="serve a trained model to programs on this machine, as /v1/completions")
    serve.add_argument("model", type=Path, metavar="DIR", help="the folder of bondx text train")
    serve.add_argument("--listen", default="127.0.0.1:8503", metavar="HOST:PORT", help="default: 127.0.0.1:8503")
    serve.add_argument("--name", metavar="NAME", help="its name for callers (default: that of the folder)")
    serve.set_defaults(command=serve_model)
    draft = command_parser(verbs, "draft", help="the narrative of a risk report, every number traced to its cell")
    draft.add_argument("reports", type=Path, metavar="REPORTS", help="the columns of risk_reports: CSV or Parquet")
    draft.add_argument(
        "--risk-report", metavar="BOOK@DAY", type=_report, help="the report, such as GAS_DESK@2024-03-28"
    )
    draft.add_argument("--book", metavar="NAME", help="of the report (default: the only book)")
    draft.add_argument("--date", metavar="DAY", type=day, help="of the report (default: the last day of the book)")
    source = draft.add_mutually_exclusive_group()
    source.add_argument(
        "--check", type=Path, metavar="FILE", help="a text about the report instead: mark numbers that are not of it"
    )
    source.add_argument("--by", metavar="MODEL", help="let a registered model of language write it")
    draft.add_argument("--version", metavar="VERSION", help="of --by (default: the live version, else the newest)")
    draft.add_argument("--seed", type=whole, metavar="S", help="of --by: same seed, same text (default 42)")
    draft.add_argument("--record", action="store_true", help="keep it in the workspace, for evidence packs")
    draft.add_argument("--changes", metavar="DRAFT", help="with --check and --record: the draft whose text it edits")
    add_reason_argument(draft)
    add_json_argument(draft)
    draft.set_defaults(command=draft_note)


def _report(text: str) -> tuple[str, date]:
    book, _, written = text.rpartition("@")
    if not book:
        raise argparse.ArgumentTypeError(f"{text!r} must be BOOK@DAY, such as GAS_DESK@2024-03-28")
    return book, day(written)


def write(args: argparse.Namespace) -> int:
    """Draw a corpus into a file."""
    from console.cli.output import print_json, printable
    from core.domains.grammar.kind import NamesInTexts
    from core.text.corpus import write_corpus

    if args.n > _MOST_DOCUMENTS:
        raise UsageError(f"--n {args.n:,} is too many; draw at most {_MOST_DOCUMENTS:,} documents.")
    if args.seed < 0:
        raise UsageError(f"--seed {args.seed} must be 0 or more.")
    made = write_corpus(args.domain, args.n, args.out, seed=args.seed, names=NamesInTexts(args.names))
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in made.kinds.items())
    print(f"{made.n_documents:,} documents, seed {made.seed}, in {printable(args.out)}: {kinds}")
    print(f"known entropy: {made.nats_a_document:.3f} nats a document, {made.nats_a_character:.4f} a character")
    print(f"SHA-256 {made.sha256}")
    print(made.notice)
    return ExitCode.GOOD


def tokenize(args: argparse.Namespace) -> int:
    """Train a tokenizer on a file of documents."""
    from console.cli.output import print_json, printable
    from core.output_files import require_new_output
    from core.text.corpus import read_corpus
    from core.text.tokenizers import save_tokenizer, train_tokenizer, vocabulary_report

    if args.out is not None:
        require_new_output(args.out)
    documents = read_corpus(args.corpus).documents
    tokenizer = train_tokenizer(args.kind, documents, args.vocab_size)
    report = vocabulary_report(tokenizer, documents)
    if args.out is not None:
        save_tokenizer(tokenizer, args.out)
    if args.json:
        print_json(report)
        return ExitCode.GOOD
    print(
        f"{report.n_tokens:,} tokens of at most {args.vocab_size:,}: the end, 256 bytes and "
        f"{report.n_tokens - _N_FIXED:,} learned"
    )
    print(f"{report.n_used:,} of them spell the documents, {report.often_share:.1%} of these at least 5 times")
    print(f"{report.tokens_a_document:.1f} tokens a document, {report.characters_a_token:.2f} characters a token")
    if args.out is not None:
        print(f"in {printable(args.out)}")
    return ExitCode.GOOD


def train_model(args: argparse.Namespace) -> int:
    """Train the model of the settings."""
    from console.cli.output import print_json, printable
    from core.text.prepared import architecture_of
    from core.text.ranks import place_of_environment
    from core.text.training import train_text_model

    settings, is_first = _settings(args), place_of_environment().is_first
    if is_first and not args.json:
        together = f" in {args.processes} processes" if args.processes > 1 else ""
        print(f"training: {architecture_of(settings)}{together}, into {printable(args.out)}", flush=True)
    report = _ignored if args.json else _print_progress
    made = train_text_model(settings, args.out, report=report, processes=args.processes)
    if not is_first:
        return ExitCode.GOOD
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    best = min(made.curve, key=lambda point: point.validation_nats)
    floor = "" if made.floor_nats is None else f", {best.validation_nats - made.floor_nats:.4f} above the floor"
    print(f"trained: {best.validation_nats:.4f} nats a token on validation documents{floor}")
    print(f"weights: SHA-256 {made.weights_sha256}")
    return ExitCode.GOOD


def judge_model(args: argparse.Namespace) -> int:
    """Judge a trained model."""
    import msgspec

    from console.cli.output import print_json, printable
    from core.text.training import compare_folders, judge_folder

    _require_written(args)
    compared = None if args.against is None else compare_folders(args.model, args.against)
    report = judge_folder(args.model, n_written=args.written)
    excess = report.scores[0].excess
    if args.max_excess is not None and excess is None:
        raise UsageError("--max-excess needs a known floor: documents of a grammar, or records with log_probability.")
    too_much = args.max_excess is not None and excess is not None and excess > args.max_excess
    if args.json:
        print_json(report if compared is None else {**msgspec.structs.asdict(report), "against": compared})
        return ExitCode.FAILING if too_much else ExitCode.GOOD
    _print_report(report)
    if compared is not None:
        print(
            f"on {compared.n_documents:,} documents that {printable(args.against)} is judged by: "
            f"{compared.bits_a_character:.4f} bits a character, {compared.other_bits_a_character:.4f} of that model"
        )
        print(
            f"difference {compared.difference:+.4f} (95 % interval {compared.low:+.4f} to {compared.high:+.4f}): "
            f"{compared.finding}"
        )
    if too_much:
        print(f"{excess:.4f} nats a token above the floor, more than {args.max_excess:g}")
    return ExitCode.FAILING if too_much else ExitCode.GOOD


def shrink_model(args: argparse.Namespace) -> int:
    """Make a smaller model of a trained one."""
    from console.cli.output import print_json, printable
    from core.text.shrinking import shrink_folder

    made = shrink_folder(args.model, args.out, int8=args.int8, hidden_units=args.hidden_units)
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    print(
        f"{printable(args.out)}: {made.precision}, {made.hidden_units:,} hidden units a layer, "
        f"{made.n_bytes / 1e6:.2f} MB of weights instead of {made.source_bytes / 1e6:.2f}"
    )
    excess = "" if made.score.excess is None else f", {made.score.excess:.4f} above the floor"
    print(
        f"{made.score.nats_a_token:.4f} nats a token on {made.n_documents:,} documents{excess}; "
        f"{made.source_score.nats_a_token:.4f} before"
    )
    print(f"cost {made.cost:+.4f} nats a token (95 % interval {made.low:+.4f} to {made.high:+.4f})")
    return ExitCode.GOOD


def register_model(args: argparse.Namespace) -> int:
    """Register a trained model as a version."""
    from console.cli.output import print_json, print_table, printable
    from core.settings.in_force import settings_in_force
    from core.training.text_models import register_text_model

    _require_written(args)
    workspace = open_workspace(args)
    made = register_text_model(
        workspace,
        args.folder,
        args.model,
        settings_in_force(workspace.root),
        actor=person(),
        n_written=args.written,
        description=args.description,
        reason=args.reason,
    )
    version = made.version
    if args.json:
        print_json(version)
        return ExitCode.GOOD
    why = f" ({version.bump})" if version.bump else ""
    print(f"{version.model} {version.version} is registered in {version.stage}{why}, run {version.run_id}")
    print(f"{version.checked[:1].upper()}{version.checked[1:]}.")
    rows = [{"gate": gate.name, "verdict": gate.verdict, "why": printable(gate.sentence)} for gate in version.gates]
    print_table(rows, ("gate", "verdict", "why"), empty="")
    return ExitCode.GOOD


def _require_written(args: argparse.Namespace) -> None:
    if not 0 <= args.written <= _MOST_WRITTEN:
        raise UsageError(f"--written {args.written:,} must be from 0 to {_MOST_WRITTEN:,}.")


def sample_model(args: argparse.Namespace) -> int:
    """Let a trained model write."""
    from console.cli.output import print_json
    from core.escape import escaped
    from core.field_problems import option_of
    from core.text.model_folder import ModelFolder
    from core.text.sampling import TextWriter, require_prompt, sampling_options

    if args.n > _MOST_WRITTEN:
        raise UsageError(f"--n {args.n:,} must be at most {_MOST_WRITTEN:,}.")
    options = sampling_options(
        named=option_of,
        temperature=args.temperature,
        top_p=args.top_p,
        max_tokens=args.max_tokens,
        seed=args.seed,
        stop=args.stop,
    )
    require_prompt(args.prompt, "--prompt")
    opened = ModelFolder(args.model).load()
    written = []
    if not args.json:
        print(opened.banner)
    for place in range(args.n):
        writer = TextWriter(opened.model, opened.tokenizer, options, prompt=args.prompt, number=place)
        if not args.json:
            print(escaped(args.prompt), end="", flush=True)
        for piece in writer:
            if not args.json:
                print(escaped(piece), end="", flush=True)
        if not args.json:
            print()
        written.append(writer.written)
    if args.json:
        print_json({"notice": opened.banner, "prompt": args.prompt, "documents": written})
    return ExitCode.GOOD


def serve_model(args: argparse.Namespace) -> int:
    """Serve a trained model until it is interrupted."""
    from console.cli.output import printable
    from core.serving.completions.application import CompletionServer
    from core.serving.completions.server import completions_server, listen_locally
    from core.text.model_folder import ModelFolder

    opened = ModelFolder(args.model).load()
    name = args.name or args.model.resolve().name
    with listen_locally(args.listen) as listener:
        host, port = listener.getsockname()[:2]
        shown_host = f"[{host}]" if ":" in host else host
        application = CompletionServer(opened, name)
        print(f"serving {printable(name)} on http://{shown_host}:{port}/v1/completions", flush=True)
        try:
            completions_server(application).run(sockets=[listener])
        finally:
            application.close()
    return ExitCode.GOOD


class _ChosenRow(TypedDict):
    book: str | None
    date: str | None
    quoting: "QuotedCells"


def draft_note(args: argparse.Namespace) -> int:
    """Draft the narrative of a risk report, let a version write it, or check one; keep it, if that is asked for."""
    from console.cli.output import print_json
    from core.domains.etrm.drafting.risk_notes import check_narrative, draft_risk_note, marked_narrative
    from core.escape import escaped

    if args.by is None and (args.version is not None or args.seed is not None):
        raise UsageError("--version and --seed are of --by MODEL: without it no model writes.")
    if args.changes is not None and not (args.check is not None and args.record):
        raise UsageError("--changes DRAFT needs --check FILE, the edited text, and --record.")
    if args.risk_report is not None and (args.book, args.date) != (None, None):
        raise UsageError("--risk-report names the book and the day: leave --book and --date out.")
    book, on = args.risk_report or (args.book, args.date)
    chosen: _ChosenRow = {
        "book": book,
        "date": None if on is None else on.isoformat(),
        "quoting": quoted_cells(args),
    }
    if args.by is not None or args.record:
        return _drafted_in_workspace(args, chosen)
    if args.check is not None:
        text = _text_of(args.check)
        numbers = check_narrative(text, args.reports, **chosen)
        marked = marked_narrative(text, numbers)
        if args.json:
            print_json({"text": marked, "numbers": numbers})
        else:
            print(escaped(marked.rstrip("\n"), keep="\n"))
            print(f"{sum(each.column is not None for each in numbers)} of {len(numbers)} numbers are of the report")
        return ExitCode.FAILING if any(each.column is None for each in numbers) else ExitCode.GOOD
    note = draft_risk_note(args.reports, **chosen)
    if args.json:
        print_json(_without_columns(note))
    else:
        _print_draft(note)
    return ExitCode.FAILING if note.n_unconfirmed else ExitCode.GOOD


def _drafted_in_workspace(args: argparse.Namespace, chosen: "_ChosenRow") -> int:
    """Draft with a registered version, or keep a draft; both need the workspace and a right in it."""
    import msgspec

    from console.cli.output import print_json
    from core.domains.etrm.drafting.risk_notes import beginning_of_note, checked_risk_note, draft_risk_note
    from core.evidence import NarrativeDrafts
    from core.field_problems import option_of
    from core.text.sampling import DRAFT_BANNER, sampling_options
    from core.training.text_writing import write_with_version

    workspace, written = open_workspace(args), None
    if args.by is not None:
        options = sampling_options(named=option_of, seed=_DRAFT_SEED if args.seed is None else args.seed)
        beginning = beginning_of_note(args.reports, **chosen)
        written = write_with_version(workspace, args.by, args.version, beginning, options, actor=person())
        note = checked_risk_note(written.text, args.reports, **chosen)
    elif args.check is not None:
        note = checked_risk_note(_text_of(args.check), args.reports, **chosen)
    else:
        note = draft_risk_note(args.reports, **chosen)
    kept = None
    if args.record:
        kept = NarrativeDrafts(workspace).record(
            note,
            actor=person(),
            written=written,
            is_worded_here=written is None and args.check is None,
            changes=args.changes or "",
            reason=args.reason,
        )
    if args.json:
        notice = {} if written is None else {"notice": DRAFT_BANNER, "written_by": f"{written.model} {written.version}"}
        print_json({**notice, **(_without_columns(note) if kept is None else msgspec.structs.asdict(kept))})
    else:
        if written is not None:
            print(f"{DRAFT_BANNER}\nwritten by {written.model} {written.version}, seed {written.seed}")
        _print_draft(note)
        if kept is not None:
            print(f"recorded as {kept.draft_id}: bondx evidence build … --draft {kept.draft_id} puts it in a pack")
    return ExitCode.FAILING if note.n_unconfirmed else ExitCode.GOOD


def _without_columns(note: "DraftedNarrative") -> dict[str, Any]:
    """Return a draft as it is printed: which columns it could quote is for those that keep it."""
    import msgspec

    left_out = ("unnamed", "named_by", "columns", "of_row")
    return {name: value for name, value in msgspec.structs.asdict(note).items() if name not in left_out}


def _print_draft(note: "DraftedNarrative") -> None:
    from console.cli.output import print_table
    from core.escape import escaped

    print(escaped(note.text.rstrip("\n"), keep="\n"))
    rows = [
        {"fact": each.fact, "written": each.written, "cell": each.cell, "place": each.place, "problem": each.problem}
        for each in note.facts
    ]
    print_table(rows, ("fact", "written", "cell", "place", "problem"), empty="no number or date to trace")
    for sentence in note.unchecked:
        print(f"not checked: {sentence}")
    print(f"SHA-256 {note.sha256}")


def _text_of(path: Path) -> str:
    """Read a text that somebody wrote."""
    from core.files import access_error
    from core.plain_files import read_file
    from core.text_limits import require_text

    try:
        text = read_file(path).decode("utf-8")
    except OSError as error:
        raise access_error(path, "read", error) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (byte {error.start + 1}).") from None
    require_text(f"The text in {path}", text)
    return text


def _settings(args: argparse.Namespace) -> "TextModelSettings":
    """Return the block of the workspace, if there is one, with what was given on the command line."""
    import msgspec

    from console.commands.opening import workspace_root
    from core.field_problems import option_of, refusal_of
    from core.json_documents import converted
    from core.settings import load_settings
    from core.settings.in_force import named_config, settings_files
    from core.settings.text_model import TextModelSettings

    root, config = workspace_root(args), named_config()
    files = settings_files(root) if (root / "bondx.yaml").exists() else tuple(filter(None, [config]))
    settings = load_settings(*files).text_model
    given = {
        "architecture": args.architecture,
        "corpus": None if args.corpus is None else str(args.corpus),
        "base": None if args.base is None else str(args.base),
        "lora_rank": args.lora_rank,
        "teacher": None if args.teacher is None else str(args.teacher),
    }
    changed = {name: value for name, value in given.items() if value is not None}
    try:
        return converted({**msgspec.structs.asdict(settings), **changed}, TextModelSettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"{refusal_of(error, given, named=option_of)}.") from None


def _ignored(progress: "TextProgress") -> None:
    """Say nothing: only JSON is printed."""


def _print_progress(progress: "TextProgress") -> None:
    excess = "" if progress.excess is None else f", {progress.excess:.4f} above the floor"
    left = "" if progress.seconds_left is None else f", {progress.seconds_left / 60:.1f} min left"
    print(
        f"step {progress.step:,} of {progress.n_steps:,}: {progress.training_nats:.4f} nats a token, validation "
        f"{progress.validation_nats:.4f}{excess}; {progress.tokens_per_second:,.0f} tokens/s"
        f"{left}{'' if progress.is_best else '; no better'}",
        flush=True,
    )


def _print_report(report: "TextReport") -> None:
    from console.cli.output import print_table
    from core.text.gates import calibration_error

    scores = list(zip(report.names, report.scores, strict=True))
    scores += [] if report.held_out is None else [("held-out names", report.held_out)]
    rows = [
        {
            "model": name,
            "nats a token": f"{score.nats_a_token:.4f}",
            "above the floor": "-" if score.excess is None else f"{score.excess:.4f}",
            "perplexity": f"{score.perplexity:.3f}",
            "bits a character": f"{score.bits_a_character:.4f}",
        }
        for name, score in scores
    ]
    print_table(rows, ("model", "nats a token", "above the floor", "perplexity", "bits a character"), empty="")
    if report.floor_nats is not None:
        print(f"floor: {report.floor_nats:.4f} nats a token, on {report.n_documents:,} documents")
    if report.attainment is not None:
        print(f"attainment: {report.attainment:.1%} of the way from the 5-gram to the floor")
    print(f"calibration: the likeliest token is off by {calibration_error(report):.4f} on average")
    if (writing := report.writing) is not None:
        consistent = "" if writing.consistent_share is None else f"{writing.consistent_share:.1%} consistent, "
        print(
            f"{writing.n_documents:,} documents written: {consistent}{writing.ended_share:.1%} ended by the model, "
            f"{writing.copied_share:.1%} copied, longest copy {writing.longest_copy} tokens"
        )
        if writing.copied_by_chance is not None:
            print(f"copied by chance: {writing.copied_by_chance:.1%} of the grammar's own documents")
        print("distinct phrases: " + ", ".join(f"{n} words {share:.1%}" for n, share in writing.distinct.items()))
    if report.notice:
        print(report.notice)
