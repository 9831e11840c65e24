"""`outpost migrate`: its sub-commands and their arguments; `migrate_runner.py` runs them."""

import argparse
import re

from outpost.cli.main import SettingsLoader
from outpost.cli.options import add_settings_help

_STEERED_HELP = "of the run that works now, from any host"


def configure(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, default=False)
    common = _common()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, allow_abbrev=False, parents=[common])

    plan = add("plan", "show what `apply` would do; changes nothing")
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit 2 if anything is pending")
    plan.add_argument("--quick", action="store_true", help="do not look at the data for counts and sizes")

    _configure_apply(add("apply", "apply everything pending, SQL stores first, then Redis"))

    verify = add("verify", "compare migrated data with what it was made from, and the schema with what it should be")
    verify.add_argument("--sample", type=_whole, default=3_000, metavar="N", help="records to compare (%(default)s)")
    verify.add_argument("--seed", type=int, metavar="S", help="choose the same sample again")
    verify.add_argument("--full", action="store_true", help="compare every record")

    status = add("status", "show the lock and its holder, progress and what is pending")
    status.add_argument("--watch", action="store_true", help="show it anew every two seconds, until nothing is pending")
    status.add_argument("--exit-code", action="store_true", help="exit 2 if anything is pending")

    add("list", "list every migration with its state, when it was applied, where and by whom")
    add("history", "list all runs of this tool and the decisions taken with it")
    add("doctor", "look for what would stop or endanger `apply`, with the statements that mend it")

    unlock = add("unlock", "revoke the migration lock; its holder stops, if it is alive after all")
    unlock.add_argument("--store", metavar="NAME", help="only in this store")
    _add_yes(unlock)

    cleanup = add("cleanup", "remove the old data that `apply` preserved")
    cleanup.add_argument("--plan", action="store_true", help="only show what would be removed")
    cleanup.add_argument(
        "--force", action="store_true", help="also if it was not verified in full, or is younger than a day"
    )
    _add_yes(cleanup)
    _add_waiting(cleanup)

    text = "records that a migration could not understand and left as they are"
    _configure_quarantine(add("quarantine", text), common)

    add("pause", f"pause the work {_STEERED_HELP}")
    add("resume", f"end the pause {_STEERED_HELP}")
    throttle = add("throttle", f"change the latency budget {_STEERED_HELP}")
    budget = throttle.add_mutually_exclusive_group(required=True)
    budget.add_argument("--max-latency", type=_milliseconds, metavar="MS", help="such as 2ms")
    budget.add_argument("--off", action="store_true", help="back to the budget that the run began with")


def run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    from outpost.cli.migrate_runner import run_command

    return run_command(args, settings_loader)


def _configure_apply(apply: argparse.ArgumentParser) -> None:
    _add_yes(apply)
    _add_waiting(apply)
    apply.add_argument("--to", metavar="NAME", help="stop after this one of `list`, such as redis/002_timestamps")
    apply.add_argument("--events", metavar="FILE", help="write what happens as lines of JSON; - is standard output")
    apply.add_argument(
        "--max-latency",
        type=_milliseconds,
        metavar="MS",
        help="latency budget of a batch (Redis 5ms, Postgres 200ms, ClickHouse 1s)",
    )
    apply.add_argument("--max-replica-lag", type=_seconds, default=2.0, metavar="DUR", help="pause above it (2s)")
    apply.add_argument("--max-memory", type=_share, default=0.85, metavar="PERCENT", help="of the store's limit (85%%)")
    apply.add_argument("--batch", type=_batch, default=None, metavar="auto|N", help="records in one batch (auto)")
    apply.add_argument("--no-fuse", action="store_true", help="one pass over the data for each migration")
    apply.add_argument("--allow-blocking", action="store_true", help="permit long locks on large tables")
    apply.add_argument(
        "--quarantine-limit",
        type=_whole,
        default=1_000,
        metavar="N",
        help="stop at so many records left aside (%(default)s)",
    )


def _configure_quarantine(quarantine: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = quarantine.add_subparsers(dest="quarantine_command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text, allow_abbrev=False, parents=[common])

    add("list", "list them with the reasons")
    add("show", "show what is stored under one of them").add_argument("key", metavar="KEY", help="as `list` shows it")
    retry = add("retry", "take them back into the work of the next `apply`")
    accept = add("accept", "let them stay as they are, for good")
    accept.add_argument("--reason", required=True, help="kept in the history")
    for action in (retry, accept):
        action.add_argument("keys", nargs="*", metavar="KEY", help="without any: all of them")
        _add_waiting(action)


def _common() -> argparse.ArgumentParser:
    """The flags of every sub-command."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_common(common, default=argparse.SUPPRESS)  # an absent flag does not undo what stands before the sub-command
    return common


def _add_common(parser: argparse.ArgumentParser, *, default: object) -> None:
    """Add the flags that may stand before or after the name of the sub-command."""

    def switch(name: str, text: str) -> None:
        parser.add_argument(name, action="store_true", default=default, help=text)

    switch("--json", "print one JSON document; nothing is asked then")
    switch("--verbose", "say more")
    switch("--no-color", "no colour on a terminal")
    switch("--sql-only", "only the SQL stores")
    switch("--redis-only", "only Redis")
    add_settings_help(parser, shown=("SQLITE_PATH", "REDIS_HOST", "REDIS_PASSWORD", "POSTGRES_URL", "CLICKHOUSE_ADDR"))


def _add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock-timeout",
        type=_seconds,
        metavar="DUR",
        help="how long to wait for a run that is alive, such as 30s or 10m; 0 is not at all (as long as it lives)",
    )
    parser.add_argument(
        "--single-runner", action="store_true", help="ClickHouse alone has no lock: promise that nobody else runs"
    )


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 500ms, 30s, 10m or 1h")
    return float(found[1]) * _UNITS[found[2] or "s"]


def _milliseconds(text: str) -> float:
    milliseconds = _seconds(text if not text.strip().replace(".", "").isdigit() else f"{text}ms") * 1000
    if milliseconds <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return milliseconds


def _share(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%?", text.strip())
    if found is None or not 0 < float(found[1]) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage such as 85%")
    return float(found[1]) / 100


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _batch(text: str) -> int | None:
    return None if text == "auto" else _whole(text)
