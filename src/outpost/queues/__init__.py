"""Drivers of the queue between the roles, one file per technology."""
