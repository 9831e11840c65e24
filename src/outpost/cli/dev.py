"""`outpost dev`: the newcomer's door. Runs at once, on this machine only, with nothing configured."""

import argparse
import logging
import os
import secrets
import tempfile
from pathlib import Path

import msgspec

from outpost import __version__
from outpost.cli.main import SettingsLoader
from outpost.cli.options import add_settings_help
from outpost.cli.output import say
from outpost.config import server_requirements
from outpost.config.settings import Settings

_SECRETS = {"API_KEY": "api-key", "API_JWT_SECRET": "api-jwt-secret", "AES_ENCRYPTION_SECRET": "aes-secret"}
_LOOPBACK = ("127.0.0.0/8", "::1/128", "localhost")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=Path("outpost-data"), help="folder for database and secrets (%(default)s)"
    )
    parser.add_argument("--temporary", action="store_true", help="keep nothing: a folder that is removed at the end")
    add_settings_help(parser, shown=("API_PORT", "TOPICS"))


def run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    if args.temporary:
        with tempfile.TemporaryDirectory(prefix="outpost-") as folder:
            return _run_in(Path(folder), settings_loader)
    return _run_in(args.data.resolve(), settings_loader)


def _run_in(folder: Path, settings_loader: SettingsLoader) -> int:
    from outpost.cli.serve import serve_until_stopped
    from outpost.telemetry.logs import configure_logging
    from outpost.wiring.app import ServeOptions

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {name: _secret(folder / file) for name, file in _SECRETS.items()}
    settings = settings_loader({**kept, "SQLITE_PATH": str(folder / "outpost.db"), "LOG_LEVEL": "warn"})
    settings = _allowing_loopback(settings)
    server_requirements.check(settings)
    configure_logging(settings.general.log_level, human=True)
    for warning in settings.warnings:
        logging.getLogger("outpost").warning(warning)
    _migrate(settings)

    async def announce(port: int) -> None:
        say(_welcome(settings, folder / _SECRETS["API_KEY"], port))

    return serve_until_stopped(settings, ServeOptions(host="127.0.0.1", dev_receiver=True, announce=announce))


def _migrate(settings: Settings) -> None:
    """Apply what is pending. `dev` alone does that by itself: it is for trying things out."""
    import asyncio

    from outpost.migrations.coordinator import ApplyRequest, Coordinator
    from outpost.wiring.migrations import migration_lines

    async def apply() -> None:
        async with Coordinator(migration_lines(settings)) as coordinator:
            applied = await coordinator.apply(ApplyRequest())
        if applied.steps:
            say(f"Database {settings.sqlite.path}: applied {', '.join(state.id for state in applied.steps)}.")

    asyncio.run(apply())


def _secret(path: Path) -> str:
    """Return the secret kept at `path`, made on first use and readable by its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path.read_text()


def _allowing_loopback(settings: Settings) -> Settings:
    egress = msgspec.structs.replace(settings.egress, allow=(*settings.egress.allow, *_LOOPBACK))
    return msgspec.structs.replace(settings, egress=egress)


def _welcome(settings: Settings, key_file: Path, port: int) -> str:
    base = f"http://127.0.0.1:{port}"
    if settings.is_set("API_KEY"):
        key, where = "$API_KEY", "the one you set as API_KEY; set it in the other terminal, too"
    else:
        key, where = f"$(cat '{key_file}')", f"in {key_file}"
    topic = settings.topics.names[0] if settings.topics.names else "user.created"
    curl = f'curl -H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
    destination = f'{{"type":"webhook","topics":["*"],"config":{{"url":"{base}/dev/receiver"}}}}'
    event = f'{{"tenant_id":"acme","topic":"{topic}","data":{{"hello":"world"}}}}'
    return f"""
Outpost {__version__} answers at {base}/api/v1  (stop it with Ctrl-C)
API key:  {where}
Data:     {settings.sqlite.path}

Paste these in another terminal, one after the other:

  # 1. a tenant
  {curl} -X PUT {base}/api/v1/tenants/acme

  # 2. its destination: a webhook, here the receiver that comes along
  {curl} -X POST {base}/api/v1/tenants/acme/destinations -d '{destination}'

  # 3. an event
  {curl} -X POST {base}/api/v1/publish -d '{event}'

Then look at what arrived:  {base}/dev/receiver
"""
