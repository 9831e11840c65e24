"""`outpost serve`: the server. It changes no schema; with anything pending it refuses to start."""

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from outpost.cli import exit_codes
from outpost.cli.main import SettingsLoader
from outpost.cli.options import add_settings_help
from outpost.config import server_requirements
from outpost.config.settings import Settings
from outpost.domain.errors import StoreCorrupted, Unavailable

if TYPE_CHECKING:
    from outpost.wiring.app import ServeOptions


def configure(parser: argparse.ArgumentParser) -> None:
    add_settings_help(parser)


def run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    from outpost.telemetry.logs import configure_logging

    settings = settings_loader()
    server_requirements.check(settings)
    refusal = _migrations_refusal(settings)
    if refusal is not None:
        return refusal
    configure_logging(settings.general.log_level)
    for warning in settings.warnings:
        logging.getLogger("outpost").warning(warning)
    from outpost.wiring.app import ServeOptions

    return serve_until_stopped(settings, ServeOptions())


def _migrations_refusal(settings: Settings) -> int | None:
    """Say why the server may not start on its stores as they are, and return the exit code; None if it may."""
    import asyncio

    from outpost.migrations.coordinator import refusal
    from outpost.migrations.errors import MigrationError
    from outpost.wiring.migrations import pending_migrations

    try:
        pending = asyncio.run(pending_migrations(settings))
    except MigrationError as error:
        return _say(error, error.exit_code)
    return _say(refusal(pending), exit_codes.SERVE_REFUSED) if pending else None


def serve_until_stopped(settings: Settings, options: "ServeOptions") -> int:
    """Serve, and turn what ends the server into an exit code."""
    from outpost.wiring.app import serve

    try:
        serve(settings, options)
    except Unavailable as error:
        return _say(error, exit_codes.UNREACHABLE)
    except StoreCorrupted as error:
        return _say(error, exit_codes.FAILED)
    return exit_codes.DONE


def _say(error: object, code: int) -> int:
    print(f"Error: {error}", file=sys.stderr)
    return code
