"""The limits on the number of series that those who count must know, too; nothing heavy is imported here."""

MOST_UNLOADED = 20
"""How many versions of a model, the newest, keep counters of their own once they are unloaded.

A session of a day loads a thousand versions, each with two kilobytes in every answer of `/metrics`. Each has 24 series,
too, which the engine holds in memory for as long as rules look back.
"""
