"""A typed number is ASCII digits: nowhere is a text read as a number by the rules of Python, which takes more."""

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.main import build_parser
from console.commands.registry_artifacts import metric
from console.mlops.cli import build_parser as build_mlops_parser
from core.typed_numbers import decimal_number, whole_number

ROOT = Path(__file__).parent.parent
STRANGE = [
    "1_000", "\u0661\u0662", "\uff13", "\u00b2", "\u2460", " 5", "5 ", "5\n", "", " ", "0x10", "--5", "1,5", "nan",
    "-inf", "1e", "+",
]  # fmt: skip
DOORS = (
    "console/cli", "console/commands", "console/mlops", "console/verbs", "console/dialogs", "console/app", "bondx",
    "core/serving", "core/settings", "core/client", "core/tracking", "core/governance",
)  # fmt: skip

# Conversions of numbers, and of texts that a pattern, a parser or the kernel holds to ASCII digits.
CONVERSIONS = {
    "core/settings/placed_yaml.py": {"text"},  # of a pattern of ASCII digits
    "console/cli/main.py": {"args.command(args)", "error.exit_code", "parsed.code or 0"},
    "console/cli/attached.py": {"error.exit_code"},
    "console/cli/waiting.py": {"found[1]"},
    "bondx/dashboard.py": {
        "import_module('console.cli.main').main(['--workspace', str(self._workspace.root)])",
        "import_module('console.commands.run').follow(self._workspace)",
    },
    "bondx/own_packages.py": {"import_module(module).main()"},
    "core/client/rows.py": {"value"},
    "core/serving/asgi.py": {"length"},
    "core/serving/dialects/open_inference.py": {"length", "length.isdigit"},
    "core/serving/dialects/tensors.py": {
        "_BITS.unpack(_SINGLE.pack(value))[0]",
        "_SINGLE.unpack(_BITS.pack(bits))[0]",
        "pack.unpack(pack.pack(value))[0]",
        "value",
    },
    "core/serving/fast_path.py": {"length", "length.isdigit"},
    "core/serving/limits.py": {"settings.max_body_mib * (1 << 20)", "settings.memory_mib * (1 << 20)"},
    "core/serving/live/counter.py": {"at", "now"},
    "core/serving/live/sampler.py": {"math.log1p(-self._draw()) / math.log1p(-share)"},
    "core/serving/loading.py": {"psutil.Process().memory_info().rss"},
    "core/serving/metrics.py": {
        "counts.live.failure is None",
        "health.failure is None",
        "is_ready",
        "is_up",
        "n",
        "not snapshot.unwritable",
        "served.trouble is None",
        "table.is_ready",
    },
    "core/serving/renamed_signature.py": {"name['number']"},
    "core/metrics/rollout_metrics.py": {"rollout.is_stuck"},
    "core/settings/executor.py": {"found['port']"},  # of a pattern of ASCII digits
    "core/serving/rate_limit.py": {"self._per_minute"},
    "core/serving/scoring/trial.py": {
        "Path('/proc/self/statm').read_text().split()[0]",
        "time.process_time() + self._request.seconds",
    },
    "core/serving/scoring/warming.py": {
        "np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1.0), initial=0.0)"
    },
    "core/serving/rpc/server.py": {"limits.first_request_seconds * 1000"},
    "core/serving/server.py": {"limits.stop_seconds * _ANSWERING_PART", "self.config.timeout_graceful_shutdown or 0"},
    "core/metrics/session_metrics.py": {"criterion.is_met"},
    "core/serving/signature.py": {"cell", "n"},
    "core/settings/address.py": {"port"},
    "core/settings/conversion.py": {"step['index']"},
    "core/settings/served_models.py": {"part"},
    "core/settings/text_proto.py": {"by_hex, 16", "code, 16", "octal, 8", "text, base", "text.rstrip('fF')"},
    "core/settings/yaml_source.py": {
        "key_node.start_mark.column",
        "mark_bearer.start_mark.column",
        "mark_bearer.start_mark.line",
    },
    "core/settings/yaml_words.py": {
        "digits",
        "digits or '0'",
        "digits, 8",
        "digits[2:], base",
        "number",
        "part",
        "text",
        "text[2:], 8",
    },
    "core/client/http.py": {"text"},
    "core/client/open_inference.py": {"value"},
    "core/client/tf_rest.py": {"one.size"},
    "core/tracking/measurement.py": {"step"},
    "core/tracking/run.py": {"digits"},
}


def arguments(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Walk the arguments of every command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in set(action.choices.values()):
                yield from arguments(command)
        else:
            yield f"{parser.prog} {'/'.join(action.option_strings) or action.dest}", action


def is_number(read, text: str) -> bool:
    try:
        found = read(text)
    except (argparse.ArgumentTypeError, ValueError):
        return False
    return isinstance(found, int | float)


@pytest.mark.parametrize("build", [build_parser, build_mlops_parser])
def test_every_argument_that_is_a_number_refuses_what_is_none_in_ascii(build) -> None:
    numbers = {name: action.type for name, action in arguments(build()) if action.type and is_number(action.type, "1")}
    assert numbers
    for name, read in numbers.items():
        assert [text for text in STRANGE if is_number(read, text)] == [], name


@pytest.mark.parametrize("text", STRANGE)
def test_a_metric_that_is_not_a_number_in_ascii_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a finite number"):
        metric(f"mae={text}")


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("read", [whole_number, decimal_number])
def test_a_text_that_is_not_a_number_in_ascii_is_refused(read, text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        read(text)


@given(st.integers())
def test_a_whole_number_is_read_exactly(value: int) -> None:
    assert whole_number(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_number_is_read_as_python_writes_it(value: float) -> None:
    assert decimal_number(repr(value)) == value


@given(st.text(max_size=12))
def test_what_is_read_is_ascii(text: str) -> None:
    for read in (whole_number, decimal_number):
        try:
            read(text)
        except ValueError:
            continue
        assert text.isascii()
        assert "_" not in text
        assert text == text.strip()


def test_text_from_outside_is_read_as_a_number_by_one_module() -> None:
    found = {}
    for door in DOORS:
        for file in sorted((ROOT / door).rglob("*.py")):
            name = str(file.relative_to(ROOT))
            reads = set(reads_of_text(ast.parse(file.read_text())))
            if strange := reads - CONVERSIONS.get(name, set()):
                found[name] = strange
    assert found == {}, "read a typed number by core.typed_numbers; add the conversion of a number to CONVERSIONS"


def reads_of_text(tree: ast.Module) -> Iterator[str]:
    """Find what may read a digit beyond ASCII: `int`, `float`, `isdigit` without `isascii`, a pattern with `\\d`."""
    whole = ast.unparse(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("int", "float"):
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                yield ", ".join(map(ast.unparse, node.args))
        elif isinstance(node, ast.Attribute) and node.attr in ("isdigit", "isdecimal", "isnumeric"):
            text = ast.unparse(node.value)
            if f"{text}.isascii()" not in whole:
                yield f"{text}.{node.attr}"
        elif (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")) or (
            isinstance(node, ast.keyword) and node.arg == "pattern"
        ):
            parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            yield from (part for part in parts if isinstance(part, str) and "\\d" in part)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":int}/" in f"{node.value}/":
            yield node.value  # the router reads a part of a path by `int`
        elif isinstance(node, ast.keyword) and node.arg == "type" and ast.unparse(node.value) in ("int", "float"):
            yield f"type={ast.unparse(node.value)}"
