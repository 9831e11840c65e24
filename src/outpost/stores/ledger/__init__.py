"""The ledger: what is owed and what was done."""
