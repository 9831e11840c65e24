"""The line of Postgres."""
