"""The texts of energy trading: one derivation each, facts that agree, and names that are held out."""

import pytest

from core.domains.etrm.corpus import calibration
from core.domains.etrm.corpus.grammar import etrm_grammar, held_out_counterparties
from core.domains.etrm.data import calibration as tables
from core.domains.grammar import NamesInTexts

HUBS = {hub.name: hub for hub in tables.HUBS.value}


@pytest.mark.parametrize("names", NamesInTexts)
def test_every_document_has_one_derivation_with_the_facts_and_the_probability_it_was_drawn_with(names):
    grammar = etrm_grammar(names)
    for document in grammar.documents(1_500, seed=11):
        (reading,) = grammar.derivations(document.text)
        assert (reading.kind, dict(reading.facts)) == (document.kind, dict(document.facts))
        assert reading.log_probability == pytest.approx(document.log_probability, abs=1e-9)


def test_the_same_seed_draws_the_same_documents_however_many():
    few, many = (list(etrm_grammar().documents(n, seed=5)) for n in (20, 60))
    assert few == many[:20]
    assert few != list(etrm_grammar().documents(20, seed=6))
    assert few != list(etrm_grammar().documents(20, seed=5, name="others"))


def test_facts_agree():
    for document in etrm_grammar().documents(1_000, seed=2):
        facts = document.facts
        if "hub" in facts and "price" in facts:
            hub = HUBS[facts["hub"]]
            assert facts["currency"] == hub.currency
            assert facts["unit"] == tables.CONTRACTS.value[hub.commodity].unit
        if "verdict" in facts:
            assert (facts["verdict"] == "above") == (int(facts["var99_hist"]) > int(facts["limit_var"]))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("68.71 EUR/MWh", "68.71 USD/MWh"),
        ("68.71 EUR/MWh", "68.71 EUR/bbl"),
        ("68.71 EUR/MWh", "6871.00 EUR/MWh"),
        ("DE spot", "XX spot"),
        ("up by", "unchanged by"),
        ("2025-05-10", "2025-13-10"),
    ],
)
def test_a_fact_that_disagrees_makes_a_text_impossible(right, wrong):
    text = "2025-05-10, market: DE spot was up by 1.04, to 68.71 EUR/MWh."
    assert etrm_grammar().read(text) is not None
    assert etrm_grammar().read(text.replace(right, wrong)) is None


def test_held_out_names_are_in_no_document_with_known_names():
    held_out = held_out_counterparties()
    assert len(held_out) == 42
    for names, expected in ((NamesInTexts.KNOWN, False), (NamesInTexts.HELD_OUT, True)):
        found = {document.facts.get("counterparty_id") for document in etrm_grammar(names).documents(2_000, seed=4)}
        assert len(found) > 30
        assert all((name in held_out) is expected for name in found - {None})


def test_every_constant_is_described():
    constants = {name: each for name, each in vars(calibration).items() if name.isupper()}
    assert all(each.unit and each.grade in "VTRJ" and each.source == "OWN" for each in constants.values())
