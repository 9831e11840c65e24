"""Settings as frozen data, and the only code that reads the environment."""
