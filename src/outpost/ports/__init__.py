"""The seams of Outpost: one Protocol per file, each with the promises its drivers keep."""
