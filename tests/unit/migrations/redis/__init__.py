"""Decisions of the Redis line."""
