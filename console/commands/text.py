"""`bondx text`: texts with a known truth."""

import argparse
from pathlib import Path

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser
from console.commands.typed_numbers import count, whole
from core.errors import ExitCode, UsageError

_NAMES = ("all", "known", "held-out")
_MOST_DOCUMENTS = 2_000_000


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "text", help="texts with a known truth")
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
        help="all counterparties, the known ones, or those held out from training (default all)",
    )  # fmt: skip
    add_json_argument(corpus)
    corpus.set_defaults(command=write)


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
