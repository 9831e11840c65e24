"""What would stop or endanger a migration of Redis, found before it begins, with the command that mends it."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from outpost.clients.redis import Node, Redis, RedisReplyError
from outpost.migrations.errors import Refused
from outpost.migrations.redis.errors import redis_errors
from outpost.migrations.redis.health import read_facts
from outpost.migrations.redis.replica import primary_in
from outpost.migrations.report import Check

OLDEST = (6, 2)
GROWTH_RESERVE = 1.2
"""Room wanted for what copying adds, as a multiple of its estimate."""

NEEDED = (
    ("GET", "{key}"),
    ("SET", "{key}", "1"),
    ("DEL", "{key}"),
    ("UNLINK", "{key}"),
    ("PTTL", "{key}"),
    ("PEXPIRE", "{key}", "1000"),
    ("TYPE", "{key}"),
    ("EXISTS", "{key}"),
    ("COPY", "{key}", "{key}:copy"),
    ("PERSIST", "{key}"),
    ("RENAME", "{key}", "{key}:copy"),
    ("MEMORY", "USAGE", "{key}"),
    ("HGETALL", "{key}"),
    ("HMGET", "{key}", "a"),
    ("HLEN", "{key}"),
    ("HEXISTS", "{key}", "a"),
    ("HDEL", "{key}", "a"),
    ("HSET", "{key}", "a", "1"),
    ("HSCAN", "{key}", "0"),
    ("XADD", "{key}", "*", "a", "1"),
    ("SCAN", "0"),
    ("INFO", "server"),
    ("EVAL", "return 1", "1", "{key}"),
    ("EVALSHA", "0" * 40, "1", "{key}"),
)
"""The commands of a run, as ACL DRYRUN takes them."""


_STOPPING = ("version", "role", "eviction", "memory", "permissions", "AES_ENCRYPTION_SECRET")
"""What a run cannot or must not begin with; the rest endangers it, and `doctor` tells."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What the pending work asks of the servers.

    Attributes:
        growth_bytes: Estimated; by how much all nodes together grow.
        scratch_key: A key of the tool's own, on which permissions are tried.
        opens_sample: The configured AES secret opens a stored credential; None if there is nothing to open, or no
            secret.
    """

    growth_bytes: int = 0
    scratch_key: str = "outpost:migrate:probe"
    opens_sample: bool | None = None


async def preflight(redis: Redis, need: Need) -> Sequence[Check]:
    """Look at every node that holds keys; changes nothing.

    Raises:
        Unreachable: A node cannot be asked.
        Refused: The user may not even ask.
    """
    checks: list[Check] = []
    with redis_errors():
        nodes = await redis.nodes()
        for node in nodes:
            checks += await _node(node, need, share=1 / len(nodes))
    checks.append(_secret(need))
    return checks


def refuse_unfit(checks: Sequence[Check]) -> None:
    """Let nothing begin that cannot end.

    Raises:
        Refused: One of the checks of `preflight` says so.
    """
    for check in checks:
        if not check.ok and check.name.rpartition(": ")[2] in _STOPPING:
            raise Refused(f"{check.name}: {'; '.join(check.differences)}; mend it with: {check.repair}")


async def _node(node: Node, need: Need, *, share: float) -> Sequence[Check]:
    facts, permissions = await asyncio.gather(_facts(node), _permissions(node, need.scratch_key))
    return [
        _version(node, facts),
        _role(node, facts),
        _eviction(node, facts),
        _memory(node, facts, int(need.growth_bytes * share)),
        _persistence(node, facts),
        _replicas(node, facts),
        permissions,
    ]


async def _facts(node: Node) -> Mapping[str, str]:
    """Return what INFO says; empty where managed services forbid it."""
    facts: dict[str, str] = {}
    asked = [node.send("INFO", section) for section in ("server", "replication", "memory", "persistence")]
    for text in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(text, RedisReplyError):
            continue
        if isinstance(text, BaseException):
            raise text
        facts |= read_facts(text)
    return facts


def _version(node: Node, facts: Mapping[str, str]) -> Check:
    text = facts.get("redis_version", "")
    if not text:
        return _fine(node, "version", note="unknown: INFO is not permitted here")
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        return _wrong(node, "version", f"{text} is older than 6.2", "upgrade the server")
    return _fine(node, "version", note=text)


def _role(node: Node, facts: Mapping[str, str]) -> Check:
    if facts.get("role", "master") != "master":
        return _wrong(node, "role", "it is a read-only replica", f"set REDIS_HOST to its primary, {primary_in(facts)}")
    return _fine(node, "role")


def _eviction(node: Node, facts: Mapping[str, str]) -> Check:
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and int(facts.get("maxmemory", "0")):
        difference = f"maxmemory-policy is {policy}: a full server would delete tenants and the lock"
        return _wrong(node, "eviction", difference, "CONFIG SET maxmemory-policy noeviction")
    return _fine(node, "eviction", note=policy)


def _memory(node: Node, facts: Mapping[str, str], growth: int) -> Check:
    limit, used = int(facts.get("maxmemory", "0")), int(facts.get("used_memory", "0"))
    if not limit:
        return _fine(node, "memory", note="no limit is set")
    wanted = int(growth * GROWTH_RESERVE)
    if limit - used < wanted:
        free = f"{limit - used:,} bytes are free" if used < limit else f"it is full ({used:,} of {limit:,} bytes)"
        difference = f"{free}, and about {wanted:,} are needed to copy and keep the old data"
        return _wrong(node, "memory", difference, f"CONFIG SET maxmemory {used + wanted}")
    return _fine(node, "memory", note=f"{limit - used:,} bytes free, about {wanted:,} needed")


def _persistence(node: Node, facts: Mapping[str, str]) -> Check:
    kinds = [
        *(["append-only file"] if facts.get("aof_enabled") == "1" else []),
        *(["snapshots"] if facts.get("rdb_last_save_time", "0") != "0" else []),
    ]
    if facts.get("rdb_last_bgsave_status", "ok") != "ok" or facts.get("aof_last_write_status", "ok") != "ok":
        return _wrong(node, "persistence", "the last save to disk failed", "free disk space, then BGSAVE")
    return _fine(node, "persistence", note=", ".join(kinds) or "none: a restart loses everything")


def _replicas(node: Node, facts: Mapping[str, str]) -> Check:
    down = [
        value
        for name, value in facts.items()
        if name.startswith("slave") and "state=" in value and "state=online" not in value
    ]
    if down:
        return _wrong(node, "replicas", f"not in step: {'; '.join(down)}", "wait until they are online")
    return _fine(node, "replicas", note=f"{facts.get('connected_slaves', '?')} connected")


async def _permissions(node: Node, scratch_key: str) -> Check:
    """Ask the access control list; servers without ACL DRYRUN (before 7.0) show what is missing when it is used."""
    try:
        user = (await node.command("ACL", "WHOAMI")).decode()
    except RedisReplyError:
        return _fine(node, "permissions", note="not known before they are used: ACL is not permitted here")
    wanted = [[word.replace("{key}", scratch_key) for word in command] for command in NEEDED]
    try:
        verdicts = await asyncio.gather(*(node.send("ACL", "DRYRUN", user, *words) for words in wanted))
    except RedisReplyError:
        return _fine(node, "permissions", note="not known before they are used: the server has no ACL DRYRUN")
    missing = [words[0].lower() for words, verdict in zip(wanted, verdicts, strict=True) if verdict != b"OK"]
    if missing:
        grant = " ".join(f"+{name}" for name in missing)
        return _wrong(
            node, "permissions", f"user {user} may not use {', '.join(missing)}", f"ACL SETUSER {user} {grant} ~*"
        )
    return _fine(node, "permissions", note=f"user {user}")


def _secret(need: Need) -> Check:
    name = "redis: AES_ENCRYPTION_SECRET"
    if need.opens_sample is None:
        return Check(name=name, note="not checked: no secret is set, or nothing is sealed; no migration here needs it")
    if need.opens_sample:
        return Check(name=name, compared=1, population=1)
    difference = "it does not open the stored credentials: this is another deployment's secret"
    return Check(
        name=name,
        compared=1,
        different=1,
        differences=[difference],
        repair="set AES_ENCRYPTION_SECRET to what the servers of this deployment use, or leave it out here",
    )


def _fine(node: Node, what: str, *, note: str = "") -> Check:
    return Check(name=f"redis {node.endpoint}: {what}", note=note)


def _wrong(node: Node, what: str, difference: str, repair: str) -> Check:
    name = f"redis {node.endpoint}: {what}"
    return Check(name=name, compared=1, different=1, differences=[difference], repair=repair)
