"""The command line program `outpost`."""
