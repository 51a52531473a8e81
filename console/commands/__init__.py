"""One module a noun of the command line; each adds its own parser and imports the engine only when it runs."""
