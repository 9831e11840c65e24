"""The destination types, one folder each, and what they share."""
