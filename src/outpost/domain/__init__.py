"""What Outpost is about: frozen values and pure decisions; no I/O and no other import."""
