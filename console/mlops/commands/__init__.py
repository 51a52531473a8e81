"""One module a command: its arguments, one call of the engine, and what it prints."""
