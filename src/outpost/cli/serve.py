"""`outpost serve`: the server. It changes no schema; with anything pending it refuses to start."""

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from outpost.cli import exit_codes
from outpost.cli.main import SettingsLoader
from outpost.cli.options import add_settings_help
from outpost.cli.output import complain
from outpost.config import server_requirements
from outpost.config.settings import Settings
from outpost.domain.errors import StoreCorrupted, Unavailable

if TYPE_CHECKING:
    from outpost.wiring.app import ServeOptions


def configure(parser: argparse.ArgumentParser) -> None:
    add_settings_help(parser)


def run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    settings = settings_loader()
    server_requirements.check(settings)
    refusal = _migrations_refusal(settings)
    if refusal is not None:
        return refusal
    _configure_logging(settings)
    for warning in settings.warnings:
        logging.getLogger("outpost").warning(warning)
    from outpost.wiring.app import ServeOptions

    return serve_until_stopped(settings, ServeOptions(hopeless=exit_codes.USAGE))


def _configure_logging(settings: Settings) -> None:
    from outpost.telemetry.logs import configure_logging

    if settings.general.workers == 1:
        configure_logging(settings.general.log_level)
        return
    from outpost.telemetry.shared_stream import SharedStream

    # No thread: this process forks.
    configure_logging(settings.general.log_level, stream=SharedStream(sys.stderr.buffer), direct=True)


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
        return serve(settings, options)
    except Unavailable as error:
        return _say(error, exit_codes.UNREACHABLE)
    except StoreCorrupted as error:
        return _say(error, exit_codes.FAILED)


def _say(error: object, code: int) -> int:
    complain(f"Error: {error}")
    return code
