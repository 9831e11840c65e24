"""The only code that chooses: settings to drivers, drivers to a running app."""
