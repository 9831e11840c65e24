"""Migrations of SQL databases: files of statements, applied in order."""
