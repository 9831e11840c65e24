"""The road of an event, one step per file: publish, match, deliver, retry."""
