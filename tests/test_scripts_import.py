"""Scripts that no other test runs, such as benchmarks and interoperability checks, import only names that exist."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("bondx", "console", "core", "sample_configs", "themes", "tools", "widgets")
SCRIPTS = sorted(
    path for folder in ("benchmarks", "interop", "tools", "tests/crash") for path in (ROOT / folder).glob("*.py")
)


def imported(script: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name of every import of our own packages, in functions and in code passed as text, too."""
    texts = [script.read_text(encoding="utf-8")]
    for node in ast.walk(ast.parse(texts[0])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value:
            texts.append(node.value)
    for text in texts:
        try:
            tree = ast.parse(text)
        except SyntaxError:  # a sentence, not code
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
                yield from ((node.lineno, node.module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((node.lineno, a.name, "") for a in node.names if a.name.split(".")[0] in OURS)


def exists(module: str, name: str) -> bool:
    """Whether a module, and a name or submodule of it, can be imported."""
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        return error.name == "torch"  # of the extra `text`: where it is installed, the script is imported as any other
    if not name or hasattr(found, name):
        return True
    try:
        import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_imports_only_names_that_exist(script):
    missing = [f"line {line}: {module} {name}" for line, module, name in imported(script) if not exists(module, name)]

    assert missing == []
