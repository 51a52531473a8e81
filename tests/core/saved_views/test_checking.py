"""A view from plain values: what is taken, and the place of every fault with the nearest name."""

import re

import pytest

from core.errors import UsageError
from core.saved_views import PANES, ViewPane, checked_view


def test_a_view_is_its_panes_with_their_columns_and_its_models():
    view = checked_view(
        "rates-desk",
        {
            "title": "Rates",
            "models": "rates_*",
            "tags": {"desk": "milan"},
            "panes": ["alerts", {"pane": "models", "columns": ["model", "health"], "sort": "health  desc", "rows": 5}],
        },
    )
    assert view.panes == (
        ViewPane(pane="alerts"),
        ViewPane(pane="models", columns=("model", "health"), sort="health desc", rows=5),
    )
    assert (view.models, view.tags, view.scope) == (("rates_*",), {"desk": "milan"}, "rates_*, desk=milan")


@pytest.mark.parametrize("pane", PANES)
def test_every_pane_takes_each_of_its_columns(pane):
    columns = list(PANES[pane].columns)
    sort = f"{columns[-1]} desc" if columns else ""
    view = checked_view("all", {"panes": [{"pane": pane, "columns": columns, "sort": sort}]})
    assert view.panes[0].columns == tuple(columns)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"panes": ["alrets"]}, r"desk\.panes\[0\]: alrets is no pane; did you mean alerts\?"),
        ({"panes": [{"pane": "modls"}]}, r"desk\.panes\[0\]\.pane: modls is no pane; did you mean models\?"),
        ({"panes": [{}]}, r"desk\.panes\[0\]\.pane: the pane is missing; choose from alerts, models"),
        (
            {"panes": [{"pane": "models", "columns": ["model", "helth"]}]},
            r"desk\.panes\[0\]\.columns\[1\]: helth is no column of models; did you mean health\?",
        ),
        ({"panes": [{"pane": "models", "columns": ["model", "model"]}]}, r"columns\[1\]: model is given twice"),
        ({"panes": [{"pane": "course", "columns": ["mae"]}]}, r"it is a chart, without columns"),
        ({"panes": [{"pane": "models", "sort": "helth desc"}]}, r"\.sort: helth is no column .* health\?"),
        ({"panes": [{"pane": "models", "sort": "health down"}]}, r"\.sort: down is no direction; write health or"),
        ({"panes": [{"pane": "models", "rows": 0.5}]}, r"\.rows: rows is 0\.5: it must be a whole number"),
        ({"panes": [{"pane": "models", "rows": -1}]}, r"\.rows: rows is -1"),
        ({"panes": [{"pane": "models", "rows": True}]}, r"\.rows: rows is True"),
        ({"panes": [{"pane": "models", "rows": 0}]}, r"\.rows: rows is 0: it must be a whole number from 1 to 200"),
        ({"panes": [{"pane": "models", "filter": 5}]}, r"\.filter: filter must be text: put it in quotes"),
        (
            {"panes": [{"pane": "models", "colums": []}]},
            r"\.colums: colums is no key of a pane; did you mean columns\?",
        ),
        ({"panes": []}, r"desk\.panes: panes must be a list of 1 to 8 panes"),
        ({"panes": ["alerts"] * 9}, r"desk\.panes: panes must be a list of 1 to 8 panes"),
        ({"panes": 7}, r"desk\.panes: panes must be a list"),
        ({}, r"desk\.panes: panes must be a list"),
        ([], r"desk: a view must be a block of keys"),
        ({"pane": ["alerts"], "panes": ["alerts"]}, r"desk\.pane: pane is no key of a view; did you mean panes\?"),
        ({"panes": ["alerts"], "models": [7]}, r"desk\.models\[0\]: 7 is no name: put it in quotes"),
        ({"panes": ["alerts"], "models": {"a": 1}}, r"desk\.models: models must be a list"),
        ({"panes": ["alerts"], "models": ["a"] * 51}, r"desk\.models: models must be a list of at most 50"),
        ({"panes": ["alerts"], "models": [""]}, r"desk\.models\[0\]: a name has 1 to 250 characters"),
        ({"panes": ["alerts"], "tags": ["a"]}, r"desk\.tags: tags must be a block"),
        ({"panes": ["alerts"], "tags": {"desk": None}}, r"desk\.tags\.desk: the value of desk must be text"),
        ({"panes": ["alerts"], "tags": {"desk": 10}}, r"desk\.tags\.desk: the value of desk must be text: put it"),
        ({"panes": ["alerts"], "title": 10}, r"desk\.title: title must be text: put it in quotes"),
        ({"panes": ["alerts"], "summary": 1e5}, r"desk\.summary: summary must be text: put it in quotes"),
        ({"panes": ["alerts"], "title": "x" * 81}, r"desk\.title: has 81 characters; at most 80"),
        ({"panes": ["alerts"], "title": "a\x1b[2J"}, r"desk\.title: holds characters that no terminal shows"),
        ({"panes": ["alerts"], "models": ["a\x07"]}, r"desk\.models\[0\]: holds characters that no terminal shows"),
    ],
)
def test_a_fault_is_told_with_its_place_and_the_nearest_name(values, told):
    with pytest.raises(UsageError) as refused:
        checked_view("desk", values)
    assert re.search(told, str(refused.value).replace("'", "")), str(refused.value)


def test_every_fault_is_told_at_once():
    with pytest.raises(UsageError) as told:
        checked_view("desk", {"panes": ["alrets", {"pane": "models", "rows": -1}], "title": 7.5, "x": 1})
    assert all(each in str(told.value) for each in ("'alrets' is", "rows is -1", "'x' is no key"))


@pytest.mark.parametrize("name", ["", "Rates", "rates desk", "a/b", "9", "x" * 41, "save", "delete", "é"])
def test_a_name_that_no_command_line_takes_is_refused(name):
    with pytest.raises(UsageError, match=r"no name of a view|word of the command line"):
        checked_view(name, {"panes": ["alerts"]})
