"""The scenes of screenshots and golden screens: a name, and the keys that lead there from the overview.

A screen in the row of screens is included automatically; dialogs and second views are added by hand.
"""

from console.screen_catalog import IN_ROW

Scene = tuple[str, tuple[str, ...]]

_DIALOGS_AND_VIEWS: tuple[Scene, ...] = (
    ("1-view", ("colon", *"view", "enter")),
    ("1-view-desk", ("colon", *"view spread-desk", "enter")),
    ("1-view-zoomed", ("colon", *"view spread-desk", "enter", "tab", "tab", "plus")),
    ("1-view-gone", ("colon", *"view old-desk", "enter")),
    ("1-view-save", ("colon", *"view spread-desk", "enter", "colon", *"view save rates-desk", "enter")),
    ("2-training-details", ("2", "d")),
    ("2-training-why", ("2", "w")),
    ("2-runs", ("2", "r")),
    ("2-runs-details", ("2", "r", "j", "d")),
    ("2-runs-compare", ("2", "r", "j", "j", "c")),
    ("2-charts", ("2", "v", "h", "h")),
    ("3-registry-details", ("3", "d")),
    ("3-registry-why", ("3", "w")),
    ("3-lineage", ("3", "slash", *"spread prod", "enter", "t")),
    ("3-lineage-of-two-models", ("colon", *"lineage liquidity_shock", "enter")),
    ("3-columns", ("3", "colon", *"columns", "enter")),
    ("3-folded", ("3", "f")),
    ("3-promote", ("3", "slash", *"spread stag", "enter", "P")),
    ("3-rollback", ("3", "slash", *"spread prod", "enter", "R")),
    ("3-undo", ("3", "slash", *"spread prod", "enter", "U")),
    ("3-compare", ("3", "slash", *"spread", "enter", "c")),
    ("3-canary", ("3", "slash", *"spread stag", "enter", "C")),
    ("4-rollouts-details", ("4", "d")),
    ("4-rollouts-rolled-back", ("4", "j")),
    ("4-rollouts-why", ("4", "w")),
    ("4-advance", ("4", "P")),
    ("4-abort", ("4", "A")),
    ("4-retrainings", ("4", "e")),
    ("4-retrainings-details", ("4", "e", "d")),
    ("4-retrainings-why", ("4", "e", "w")),
    ("4-approve", ("4", "e", "P")),
    ("4-cancel", ("4", "e", "A")),
    ("4-retrain", ("4", "e", "j", "T")),
    ("5-alerts-details", ("5", "d")),
    ("5-acknowledge", ("5", "K")),
    ("6-drift-details", ("6", "tab", "d")),
    ("6-drift-why", ("6", "w")),
    ("6-charts", ("6", "v")),
    ("8-stress-heat", ("8", "enter", "j")),
    ("8-stress-details", ("8", "enter", "enter")),
    ("8-stress-why", ("8", "w")),
    ("8-stress-start", ("8", "S")),
    ("9-audit-details", ("9", "d")),
    ("command-line", ("colon", *"promote spread ")),
    ("help", ("3", "question_mark")),
    ("palette", ("ctrl+p",)),
)

_SCREENS: tuple[Scene, ...] = tuple((f"{screen.key}-{screen.name}", (screen.key,)) for screen in IN_ROW)
SCENES: tuple[Scene, ...] = tuple(sorted((*_SCREENS, *_DIALOGS_AND_VIEWS)))
