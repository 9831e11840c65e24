"""How Outpost speaks to servers and files; these packages know nothing of Outpost."""
