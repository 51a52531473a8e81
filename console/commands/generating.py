"""`bondx data generate`: one kind for each domain with data to generate, with the domain's own options."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from typing_extensions import override

from console.cli.parser import CommandParser
from console.commands.opening import Subparsers, command_parser
from console.commands.typed_numbers import count, day, number, whole
from core.domains.generator import Generator
from core.errors import ExitCode

FORMATS: tuple[Literal["parquet", "csv", "jsonl"], ...] = ("parquet", "csv", "jsonl")


class _KindsParser(CommandParser):
    """The parser of `generate`. It asks the installed packages for their domains only when it is used."""

    kinds: Subparsers

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        from core.training.generation import generators

        for name, generator in generators().items():
            if name not in self.kinds.choices:
                _add_kind(self.kinds, name, generator)
        return super().parse_known_args(args, namespace)


def add_generate(verbs: Subparsers) -> None:
    """Add the verb, with the built-in kinds; those of installed packages follow when it is used."""
    from core.domains.generator import GeneratingDomain
    from core.domains.registry import built_in_domains

    parser = command_parser(verbs, "generate", help="draw a synthetic data set")
    parser.__class__ = _KindsParser
    assert isinstance(parser, _KindsParser)
    parser.kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True, parser_class=CommandParser)
    for domain in built_in_domains():
        if isinstance(domain, GeneratingDomain):
            _add_kind(parser.kinds, domain.name, domain.generator)


def add_format_argument(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Accept `--format`."""
    n_formats = {2: "both", 3: "all three"}.get(len(formats), "all")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=formats,
        help=f"write only this format; repeatable (default: {n_formats})",
    )


def _add_kind(kinds: Subparsers, name: str, generator: Generator) -> None:
    parser = command_parser(kinds, name, help=generator.summary)
    for field in msgspec.structs.fields(generator.settings):
        _add_option(parser, field)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, created if missing")
    if generator.formats:
        add_format_argument(parser, generator.formats)
    parser.add_argument("--json", action="store_true", help="print only the lineage record")
    names = tuple(field.name for field in msgspec.structs.fields(generator.settings))
    parser.set_defaults(command=generate, kind=name, options=names, known_formats=generator.formats)


def _add_option(parser: argparse.ArgumentParser, field: msgspec.structs.FieldInfo) -> None:
    kind = msgspec.inspect.type_info(field.type)
    about = kind.extra_json_schema or {} if isinstance(kind, msgspec.inspect.Metadata) else {}
    kind = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    description = str(about.get("description", field.name)).rstrip(".")
    shown = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    read: Any = str
    metavar = "TEXT"
    if isinstance(kind, msgspec.inspect.IntType):
        read, metavar = (count if (kind.ge or 0) >= 1 else whole), "N"
    elif isinstance(kind, msgspec.inspect.FloatType):
        read, metavar = number, "X"
    elif isinstance(kind, msgspec.inspect.DateType):
        read, metavar = day, "DATE"
    elif isinstance(kind, msgspec.inspect.DateTimeType):
        metavar = "DATE"
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        read, metavar = _names, "A,B"
    default = "" if field.default in ((), None, msgspec.NODEFAULT) else f" (default {shown})"
    parser.add_argument(
        f"--{field.name.replace('_', '-')}",
        dest=field.name,
        type=read,
        metavar="S" if field.name.endswith("seed") else metavar,
        help=f"{description[:1].lower()}{description[1:]}{default}",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for word in text.split(",") if (name := word.strip()))


def generate(args: argparse.Namespace) -> int:
    """Draw a data set and write it with its lineage."""
    from console.cli.output import print_json
    from core.training.generation import generate_data

    started = time.monotonic()
    given = {name: value for name in args.options if (value := getattr(args, name)) is not None}
    made = generate_data(args.kind, given, args.out, getattr(args, "formats", None) or args.known_formats)
    if args.json:
        print_json(made.lineage)
    else:
        print(f"{made.summary}, in {args.out} ({time.monotonic() - started:.1f} s)")
    return ExitCode.GOOD
