"""Drivers of claims, and the names of what can be claimed."""
