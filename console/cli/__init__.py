"""The command line: its entry point, its output, and a session as lines."""
