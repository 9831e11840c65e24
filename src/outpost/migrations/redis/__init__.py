"""Migrations of Redis: records moved and rewritten, key by key, beside a running server."""
