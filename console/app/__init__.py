"""The Textual application, and the logic that keys and commands share on every screen."""
