"""`bondx data classify`: how sensitive columns are. `anonymise`: a file without what leads to a person.

`bondx data seal` and `unseal`: files encrypted at rest.
"""

import argparse
from pathlib import Path

from console.commands.backup import add_key_arguments
from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
)
from console.commands.reading import add_reading_arguments, reading_rules
from console.commands.typed_numbers import count, number, whole
from core.errors import ExitCode, UsageError


def add_classify(verbs: Subparsers) -> None:
    """Add the verb `classify`."""
    classify = command_parser(
        verbs, "classify", help="how sensitive the columns of a file or of a version are, and which pattern says so"
    )
    classify.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a CSV, Parquet or JSON lines file")
    classify.add_argument("--model", metavar="MODEL", help="the columns of a version of this model instead")
    classify.add_argument("--version", metavar="VERSION", help="the version (default: the live one, else the newest)")
    add_json_argument(classify)
    classify.set_defaults(command=classify_columns)


def classify_columns(args: argparse.Namespace) -> int:
    """Print each column with its class."""
    from console.cli.output import print_json, print_table
    from core.training.own_data.classification import columns_of_file, columns_of_version

    if (args.file is None) == (args.model is None):
        raise UsageError("Name a file, or a model with --model: the columns of one of them are listed.")
    if args.file is not None and args.version is not None:
        raise UsageError("--version names a version of a model: name the model with --model, and no file.")
    workspace = open_workspace(args)
    if args.model is None:
        found = columns_of_file(workspace, args.file)
    else:
        found = columns_of_version(workspace, args.model, args.version)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {"column": each.name, "class": each.sensitivity, "by": each.by or "-", "recorded": each.recorded or "-"}
        for each in found
    ]
    columns = ("column", "class", "by") if args.model is None else ("column", "class", "by", "recorded")
    print_table(rows, columns, empty="no column")
    return ExitCode.GOOD


def add_anonymise(verbs: Subparsers) -> None:
    """Add the verb `anonymise`."""
    parser = command_parser(
        verbs, "anonymise", help="write a file without what leads to a person, and say what that does to a model"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV, Parquet or JSON lines file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the new .csv, .parquet or .jsonl file")
    parser.add_argument(
        "--pseudonym",
        dest="pseudonyms",
        action="append",
        default=[],
        metavar="COL[=DOMAIN]",
        help="replace the values of a column by pseudonyms; equal values have equal ones in all columns of a domain "
        "(default: the name of the column; repeatable)",
    )
    parser.add_argument("--drop", action="append", default=[], metavar="COL", help="leave a column out (repeatable)")
    parser.add_argument(
        "--noise",
        type=_share_of_column,
        action="append",
        default=[],
        metavar="COL=SHARE",
        help="add normal noise to a number, with this share of the standard deviation of the column (repeatable)",
    )
    parser.add_argument(
        "--coarsen",
        type=_period_of_column,
        action="append",
        default=[],
        metavar="COL=PERIOD",
        help="replace a date by the first day of its month, quarter or year (repeatable)",
    )
    parser.add_argument(
        "--quasi",
        action="append",
        default=[],
        metavar="COL",
        help="a column that could lead to a person together with the others named so (repeatable)",
    )
    parser.add_argument(
        "--k", type=count, default=5, metavar="K", help="rows or persons that share all these columns (default 5)"
    )
    parser.add_argument(
        "--suppress", type=number, default=0.05, metavar="SHARE", help="largest share of rows left out for it (0.05)"
    )
    parser.add_argument(
        "--persons",
        metavar="COL",
        help="count the different values of this column, not rows; the empty cells of a class are at most one person",
    )
    parser.add_argument(
        "--seed", type=whole, default=42, metavar="S", help="the seed of the noise, beside the key (42)"
    )
    add_key_arguments(parser, of="pseudonyms and noise")
    add_reading_arguments(parser)
    parser.add_argument("--target", metavar="COL", help="train a model before and after, and compare their losses")
    parser.add_argument("--group", metavar="COL", help="rows of one group are held out together in this comparison")
    parser.add_argument("--time", metavar="COL", help="the latest rows are held out in this comparison")
    parser.add_argument("--model", default="anonymised", metavar="NAME", help="its entry of `models` in the settings")
    add_json_argument(parser)
    parser.set_defaults(command=anonymise_columns)


def anonymise_columns(args: argparse.Namespace) -> int:
    """Write the file, and print what was done."""
    from console.cli.output import print_json, print_table, printable
    from core.key_source import KeySource
    from core.protection import AnonymisingRequest
    from core.protection.anonymising import domains_of
    from core.training.own_data.anonymised import anonymise_file
    from core.training.own_data.request import TrainRequest

    if args.target is None and (args.group is not None or args.time is not None):
        raise UsageError("--group and --time are about the comparison of models: name the --target, too.")
    for option, said in (("--noise", args.noise), ("--coarsen", args.coarsen)):
        if twice := next((name for name, _ in said if [each for each, _ in said].count(name) > 1), None):
            raise UsageError(f"{option} names {twice!r} twice: name it once.")
    request = AnonymisingRequest(
        pseudonyms=domains_of(args.pseudonyms),
        drop=tuple(args.drop),
        noise=dict(args.noise),
        coarsen=dict(args.coarsen),
        quasi=tuple(dict.fromkeys(args.quasi)),
        k=args.k,
        max_suppressed=args.suppress,
        persons=args.persons,
        seed=args.seed,
    )
    rules, train = reading_rules(args), None
    if args.target is not None:
        train = TrainRequest(
            model=args.model, data=args.file, target=args.target, group=args.group, time=args.time, rules=rules
        )
    key = KeySource(file=args.key_file, env=args.key_env, command=args.key_command)
    made = anonymise_file(open_workspace(args), args.file, args.out, request, key=key, rules=rules, train=train)
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    print(f"{made.n_written:,} of {made.n_read:,} rows in {made.file}, SHA-256 {made.sha256}")
    rows = [
        {"column": each.name, "class": each.sensitivity, "treatment": each.treatment, "how": each.how or "-"}
        for each in made.columns
    ]
    print_table(rows, ("column", "class", "treatment", "how"), empty="no column")
    if (found := made.anonymity) is not None:
        print(
            f"k-anonymity: the smallest of {found.n_classes:,} classes has {found.k_reached:,} {found.counted} "
            f"({found.k_asked:,} asked, {found.k_before:,} before); {found.n_suppressed:,} rows left out, "
            f"{found.n_generalised:,} generalised"
        )
        if found.n_without_person:
            print(
                f"{found.n_without_person:,} rows have no {printable(args.persons)}: those of a class may be of one "
                "person, or of one that is counted, so they count as one person where the class has no other"
            )
    if made.quality is not None:
        print(f"quality: {printable(made.quality.sentence)}")
    return ExitCode.GOOD


def add_seal(verbs: Subparsers) -> None:
    """Add the verbs `seal` and `unseal`."""
    seal = command_parser(
        verbs, "seal", help="encrypt or decrypt the files of the workspace as `encryption` says, or change their key"
    )
    former = seal.add_mutually_exclusive_group()
    former.add_argument("--old-key-file", metavar="FILE", default="", help="the file with the former key, mode 600")
    former.add_argument("--old-key-env", metavar="NAME", default="", help="the environment variable with it")
    former.add_argument("--old-key-command", metavar="COMMAND", default="", help="a command that prints it")
    add_reason_argument(seal)
    add_json_argument(seal)
    seal.set_defaults(command=seal_files)
    unseal = command_parser(verbs, "unseal", help="write a sealed file, or those of a folder, decrypted")
    unseal.add_argument("source", type=Path, metavar="SOURCE", help="a sealed file, or a folder of such files")
    unseal.add_argument("--out", type=Path, required=True, metavar="PATH", help="the new file or folder")
    add_key_arguments(unseal, of="sealed files")
    add_json_argument(unseal)
    unseal.set_defaults(command=unseal_files)


def seal_files(args: argparse.Namespace) -> int:
    """Bring the files of the workspace in line with the settings, and print what was done."""
    from console.cli.output import complain, print_json
    from console.presentation.phrases import counted, size
    from core.key_source import KeySource
    from core.maintenance.sealing import seal_as_configured

    former = KeySource(file=args.old_key_file, env=args.old_key_env, command=args.old_key_command)
    result = seal_as_configured(open_workspace(args), actor=person(), reason=args.reason, former=former)
    if args.json:
        print_json(result)
    else:
        print(
            f"{counted(result.n_sealed, 'file')} sealed, {result.n_unsealed:,} unsealed, {result.n_taken:,} taken to "
            f"the new key, {result.n_as_they_were:,} as before; {size(result.n_bytes)} written"
        )
    for problem in result.left:
        complain(f"left: {problem}")
    return ExitCode.FAILING if result.left else ExitCode.GOOD


def unseal_files(args: argparse.Namespace) -> int:
    """Write the files, and print their hashes."""
    from console.cli.output import print_json, printable
    from console.presentation.phrases import size
    from core.key_source import KeySource
    from core.maintenance.sealing import unseal

    key = KeySource(file=args.key_file, env=args.key_env, command=args.key_command)
    if key == KeySource():
        open_workspace(args)  # its settings name the key
    made = unseal(args.source, args.out, key)
    if args.json:
        print_json(made)
        return ExitCode.GOOD
    for each in made:
        print(f"{printable(each.file)}: {size(each.n_bytes)}, SHA-256 {each.sha256}")
    return ExitCode.GOOD


def _share_of_column(text: str) -> tuple[str, float]:
    name, value = _of_column(text, "COL=SHARE, such as size=0.1")
    return name, number(value)


def _period_of_column(text: str) -> tuple[str, str]:
    return _of_column(text, "COL=PERIOD, such as born=year")


def _of_column(text: str, form: str) -> tuple[str, str]:
    name, _, value = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} must be {form}")
    return name, value
