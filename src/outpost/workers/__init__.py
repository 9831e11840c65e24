"""Loops that run the pipeline: start, restart, drain."""
