"""The Textual application, and what the keys and commands of every screen share."""
