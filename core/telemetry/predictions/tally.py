"""The numbers of stored outcomes, kept beside them: counting ten million rows at every scrape would take too long."""

import sqlite3

TALLY_TABLE = """
CREATE TABLE IF NOT EXISTS tally (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""
OUTCOMES = "outcome"
WAITING = "waiting"

_ADD = "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
_SET = "INSERT OR REPLACE INTO tally SELECT ?, count(*) FROM {table}"
_OF = "SELECT n FROM tally WHERE name = ?"


def add_to_tally(connection: sqlite3.Connection, table: str, n: int) -> None:
    """Note that rows were added to a table, or deleted; within the transaction that does it."""
    if n:
        connection.execute(_ADD, (table, n))


def tally_of(connection: sqlite3.Connection, table: str) -> int:
    """Return the number of rows of a table."""
    found = connection.execute(_OF, (table,)).fetchone()
    return int(found[0]) if found else 0


def count_again(connection: sqlite3.Connection) -> None:
    """Count the rows of every table; within a transaction."""
    for table in (OUTCOMES, WAITING):
        connection.execute(_SET.format(table=table), (table,))
