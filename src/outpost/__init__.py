"""Outpost: delivers a platform's events to its customers' webhooks, at least once."""

__version__ = "0.1.0"
