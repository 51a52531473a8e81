"""A grammar draws by its odds, finds every derivation of a text, and refuses to contradict itself."""

import math
from collections import Counter

import pytest

from core.domains.grammar import DocumentGrammar, FactLaw, GrammarError, TableLaw, WordedKind, WordingClause

COLOUR = FactLaw("colour", "red|green", lambda _: TableLaw({"red": 0.25, "green": 0.75}))
TASTE = FactLaw("taste", "sweet|sour", lambda facts: TABLES[facts["colour"]], ("colour",))
TABLES = {"red": TableLaw({"sweet": 1.0}), "green": TableLaw({"sweet": 0.5, "sour": 0.5})}


def kind(*clauses: tuple[tuple[str, ...], tuple[float, ...]], facts=(COLOUR, TASTE), name="apple", share=1.0):
    return WordedKind(name, share, tuple(WordingClause(*clause) for clause in clauses), tuple(facts))


APPLES = DocumentGrammar(
    [kind((("a {colour} apple", "an apple, {colour}"), (0.6, 0.4)), (("", ", {taste}"), (0.5, 0.5)), ((".",), (1.0,)))]
)


def test_every_text_of_a_small_grammar_is_drawn_by_its_probability():
    n = 40_000
    drawn = Counter(document.text for document in APPLES.documents(n, seed=3))
    assert len(drawn) == 10
    total = 0.0
    for text, number in drawn.items():
        probability = math.exp(APPLES.read(text).log_probability)
        total += probability
        assert abs(number - n * probability) < 5 * math.sqrt(n * probability)
    assert total == pytest.approx(1.0)


def test_a_fact_that_no_wording_names_is_not_drawn():
    assert all(("taste" in document.facts) == (", s" in document.text) for document in APPLES.documents(50, seed=1))


@pytest.mark.parametrize("text", ["", "a red apple", "a red apple, sour.", "a blue apple.", "a red apple.."])
def test_a_text_that_cannot_be_drawn_is_not_read(text):
    assert APPLES.read(text) is None


def test_two_derivations_are_both_found():
    twice = DocumentGrammar([kind((("x", "xx"), (0.5, 0.5)), (("x", ""), (0.5, 0.5)), facts=())])
    assert [reading.log_probability for reading in twice.derivations("xx")] == [math.log(0.25)] * 2
    assert len(list(twice.derivations("xxx"))) == 1


def test_a_fact_named_twice_says_the_same_twice():
    grammar = DocumentGrammar([kind((("{colour} is {colour}",), (1.0,)), facts=(COLOUR,))])
    assert grammar.read("red is red").log_probability == math.log(0.25)
    assert grammar.read("red is green") is None


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda: kind((("a", "b"), (0.5, 0.6))), "do not add up", id="odds above 1"),
        pytest.param(lambda: kind((("a", "b"), (1.0,))), "do not add up", id="odds missing"),
        pytest.param(lambda: kind((("{size}",), (1.0,))), "no law", id="an unknown fact"),
        pytest.param(
            lambda: kind((("{colour}", ""), (0.5, 0.5)), (("{taste}",), (1.0,))), "may be missing", id="a need left out"
        ),
        pytest.param(
            lambda: kind((("{colour} {taste}",), (1.0,)), facts=(TASTE, COLOUR)), "may be missing", id="a need too late"
        ),
        pytest.param(lambda: DocumentGrammar([kind((("a",), (1.0,)), share=0.5)]), "shares", id="shares below 1"),
    ],
)
def test_a_grammar_that_contradicts_itself_is_refused(make, problem):
    with pytest.raises(GrammarError, match=problem):
        make()
