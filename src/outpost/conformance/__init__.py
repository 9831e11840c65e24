"""The suites that each driver of a port must pass; shipped, so that drivers elsewhere can be held to them too."""
