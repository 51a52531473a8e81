"""From a snapshot to rows and sentences: pure functions, no widget and no terminal."""
