"""Drivers of the log store: what was accepted and attempted."""
