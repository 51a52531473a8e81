"""The dialogs that ask before any change. Cancel has the focus; only `Y` confirms."""
