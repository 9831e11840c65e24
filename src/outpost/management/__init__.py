"""Creating, changing, disabling and deleting tenants and destinations."""
