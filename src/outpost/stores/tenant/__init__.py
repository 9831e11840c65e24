"""Drivers of the tenant store, and the sealing of secrets above them."""
