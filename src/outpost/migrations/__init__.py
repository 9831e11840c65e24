"""The migration tool: a product of its own that depends on none of the code it migrates."""
