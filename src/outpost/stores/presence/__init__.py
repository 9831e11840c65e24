"""Drivers of the presence of servers."""
