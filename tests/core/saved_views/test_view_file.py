"""Views as YAML: what is written reads back, and every fault has its line and column."""

import re

import pytest

from core.saved_views import check_view_file, checked_view, load_views, view_yaml
from core.settings.errors import SettingsError

DESK = checked_view(
    "desk",
    {
        "title": "Señor: 'desk' #1",
        "summary": "yes",
        "models": ["*", "rates_[ab]", "on", "1.0", "1e5", "08"],
        "tags": {"desk": "07", "book": "1e5"},
        "panes": [
            "alerts",
            {"pane": "drift", "columns": ["model", "psi"], "filter": "verdict:alarm", "sort": "psi desc"},
        ],
    },
)
NIGHT = checked_view("night", {"panes": ["health"]})


def test_what_is_written_reads_back_the_same(tmp_path):
    file = tmp_path / "views.yaml"
    file.write_text(view_yaml([DESK, NIGHT]), encoding="utf-8")
    assert load_views(file) == (DESK, NIGHT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("views:\n  desk:\n    panes: [alrets]\n", r"line 3, column 13: alrets is no pane; did you mean alerts\?"),
        (
            "views:\n  desk:\n    panes:\n    - pane: models\n      columns: [model, helth]\n",
            r"line 5, column 24: helth",
        ),
        ("views:\n  desk:\n    pains: []\n", "line 3, column 5: pains is no key of a view; did you mean panes"),
        ("view:\n  desk: {panes: [alerts]}\n", "views must be a block of names"),
        ("views: [desk]\n", "line 1, column 1: views must be a block of names"),
        ("views: {desk: {panes: [alerts]}}\nmore: 1\n", "line 2, column 1: more is no key of a file of views"),
        ("views: {save: {panes: [alerts]}}\n", "save is a word of the command line"),
        ("views: {a: {panes: [alerts]}, a: {panes: [alerts]}}\n", "a is given twice"),
        ("views: &a {a: {panes: [alerts]}, b: *a}\n", "line 1"),
        ("", "views must be a block"),
        ("- 1\n", "views must be a block"),
        ("views: {a: {title: 010, panes: [alerts]}}\n", "line 1, column 13: title must be text: put it in quotes"),
        ("views: {a: {summary: 1e5, panes: [alerts]}}\n", "line 1, column 13: summary must be text"),
        ("views: {a: {tags: {desk: 010}, panes: [alerts]}}\n", "line 1, column 20: the value of desk must be text"),
        (
            "views: {a: {panes: [{pane: models, rows: 010}]}}\n",
            "rows is 010, which YAML 1.1 and 1.2 read as two numbers: write it without leading zeros",
        ),
        ("views: {a: {panes: [!!python/object/apply:os.system [id]]}}\n", "line 1"),
        ('views: {a: {title: "\\u001b[2J", panes: [alerts]}}\n', "no terminal shows"),
        (
            "views:\n" + "".join(f"  v{n}: {{panes: [alerts]}}\n" for n in range(201)),
            "201 views; a workspace has at most",
        ),
        ("views: " + "[" * 5000, "line 1"),
    ],
)
def test_a_fault_has_its_line_and_column(tmp_path, text, told):
    file = tmp_path / "views.yaml"
    file.write_text(text, encoding="utf-8")
    _, faults = check_view_file(file)
    assert faults
    assert re.search(told, str(faults[0]).replace("'", "")), str(faults[0])


def test_a_file_with_faults_is_refused_whole_with_their_number(tmp_path):
    file = tmp_path / "views.yaml"
    file.write_text("views: {a: {panes: [alerts]}, b: {panes: [x]}, c: {panes: [y]}}\n")
    with pytest.raises(SettingsError, match=r"1 more: bondx view check views\.yaml lists all"):
        load_views(file)
    assert len(check_view_file(file)[1]) == 2


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for file in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SettingsError):
            load_views(file)
