"""Everything an operator can do, a verb a class, a module a noun.

verb.py      what a verb is: key, command, refusal, deed; a change also offers before it acts
offer.py     the state an offer is made from
catalog.py   the list of them all, in the order of footer, palette and completion
keys.py      list -> bindings, footer, help          line.py    list -> command line, completion, palette
keymap.py    the keys that the settings change       several.py one change of several objects
version.py   promote, roll back, undo, archive, …    stage_move.py the offer of such a move
suspect.py   roll back, or abort, from any row       run.py     tracked runs
rollout.py   advance, hold, resume, abort            canary.py  start one
session.py   start, pause, stop                      resume.py  a session or a rollout
prune.py     delete what retention drops
alert.py     acknowledge, resolve                    screens.py from screen to screen
engine.py    start it here; leave
table.py     the list in focus: its order, its columns, its rows as a file
workspace.py another workspace
view.py      what only looks: filter, details, logs, the past, themes

Every module here is read before the first frame, for its keys: what a verb needs to act it imports when it acts.
"""
