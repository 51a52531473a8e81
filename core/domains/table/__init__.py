"""The domain of a user's own table."""
