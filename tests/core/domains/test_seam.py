"""Nothing but a domain's own folder knows the domain: no name and no text of the program elsewhere has its words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from core.domains.registry import built_in_domains

ROOT = Path(__file__).parents[3]
TREES = ("core", "console", "widgets", "themes", "bondx")
OWN = ("core/domains/bonds/", "core/domains/etrm/")
WORDS = re.compile(
    r"(?<![a-z])(bonds?|issuers?|esg|coupons?|maturity|maturities|downgrades?|liquidity|ratings?"
    r"|etrm|commodit(?:y|ies)|counterpart(?:y|ies)|mwh|trades?|var95|off_market)(?![a-z])"
)
SAID = {
    "core/domains/registry.py": {"bonds", "etrm"},  # the entries of the built-in domains
    # The domain of those who name none, and the stress scenarios that the settings announce.
    "core/settings/training.py": {"bonds", "liquidity", "downgrade", "downgrades", "commodity"},
    # The slices of the built-in domains by which agents divide a session: words of settings and of their help.
    "core/settings/agents.py": {"bonds", "etrm", "commodity", "commodities"},
    "console/commands/session.py": {"commodity"},
    "core/settings/telemetry.py": {"downgrade"},  # the example of a model's name
    "core/domains/portfolio_figures.py": {"var95"},  # a figure of any portfolio under stress
    "core/tables/usefulness.py": {"maturity"},  # the example of a date that counts as days
    "widgets/terminal_cells.py": {"downgrade"},  # of colours, to those of the terminal
    # Thresholds that stand in users' settings and in stored sessions since before there was a second domain.
    "core/settings/quality.py": {"bonds", "esg", "liquidity", "maturity"},
    "core/training/records.py": {"issuers"},  # the spelling in stored reports
    "bondx/ml/__init__.py": {"etrm", "trades"},  # the public names of the domains' own classes
    # The titles of clauses of regulations, the spelling in stored reports, and the domain of sessions that name none.
    "core/evidence/regulation.py": {"liquidity", "rating", "trade"},
    "core/evidence/sections/making.py": {"issuers"},
    "core/evidence/subject.py": {"bonds"},
    "console/commands/compliance.py": {"trade", "trades"},  # the command of the checker of trades
    # Who signs a certificate, and who a token of OIDC.
    "core/executors/local_certificate.py": {"issuer"},
    "core/access/oidc.py": {"issuer"},
    "core/access/oidc_provider.py": {"issuer"},
    "core/maintenance/doctor.py": {"issuer"},
    "core/settings/oidc.py": {"issuer"},
    # The one domain with a grammar yet: that of those who name none.
    "console/commands/text.py": {"etrm"},
    "core/settings/text_model.py": {"etrm"},
}


def words_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {word for text in texts_of(tree) for word in WORDS.findall(spelled(text))}


def spelled(text: str) -> str:
    """Part the words of a name, and leave the product's own name out."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", text.replace("BondX", "").replace("bondx", "")).lower()


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Yield every name and every text that the program uses; docstrings may give examples."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""


def test_no_word_of_a_domain_is_in_the_program_outside_its_folder():
    found = {}
    for file in sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py")):
        place = file.relative_to(ROOT).as_posix()
        if not place.startswith(OWN) and (words := words_of(file) - SAID.get(place, set())):
            found[place] = sorted(words)
    assert found == {}


def test_every_exception_is_still_one():
    assert {
        place: words - words_of(ROOT / place) for place, words in SAID.items() if words - words_of(ROOT / place)
    } == {}


def test_the_models_of_the_built_in_domains_have_names_of_their_own():
    names = [name for domain in built_in_domains() for name in domain.models]
    assert len(names) == len(set(names))
