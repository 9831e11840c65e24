"""Drivers that remember: `stores/<role>/<technology>.py`."""
