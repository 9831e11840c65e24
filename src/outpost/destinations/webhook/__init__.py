"""The `webhook` destination type: a signed POST to a URL of the tenant."""
