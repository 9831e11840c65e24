"""What Outpost costs and how fast it is, with the machine's own limits measured in the same run."""
