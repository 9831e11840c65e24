"""The line of the embedded profile: one SQLite file."""
