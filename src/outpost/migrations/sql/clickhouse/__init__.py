"""The line of ClickHouse: events and attempts of the distributed profile."""
