"""Drivers of the retry schedule: `schedulers/<technology>.py`."""
