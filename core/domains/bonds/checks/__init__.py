"""What a bond panel must satisfy before a model learns from it."""
