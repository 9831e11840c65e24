"""What a disturbed migration of Redis must end in: the bytes an undisturbed one ends in, proven and accounted for."""

from collections.abc import Mapping

from outpost.migrations.coordinator import ApplyRequest
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Books
from tests.support.process import OutpostProcess
from tests.support.redis_store import Data, RedisStore, snapshot

APPLY = ("migrate", "apply", "--yes")
SNAPSHOT_SECRET = "encryptionsecretencryptionsecret"
"""What the credentials in the snapshots were sealed with."""

Records = Mapping[bytes, tuple[str, object, bool]]


def records(store: RedisStore) -> Records:
    """Return what tenants and destinations hold; of an expiry only whether there is one."""
    return {
        key: (value.type, value.content, value.ttl_ms >= 0)
        for key, value in store.read().items()
        if key.startswith(b"tenant:")
    }


async def undisturbed(store: RedisStore, before: Data | None = None) -> Records:
    """Return what an upgrade ends in that nobody disturbs, and leave the old data as it was.

    Args:
        before: The old data; a snapshot of a real store if it is not given.
    """
    before = before or snapshot("v0.5.1")
    store.write(before)
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest())
    wanted = records(store)
    store.server.empty()
    store.write(before)
    return wanted


async def assert_finished(store: RedisStore, wanted: Records) -> Books:
    """Fail unless all is applied, verified and accounted for, and nothing differs; return the books of 001."""
    assert records(store) == wanted
    async with store.coordinator() as coordinator:
        (status,) = (await coordinator.status()).lines
        assert status.pending == []
        assert status.holder is None
        assert all(books.balanced for books in status.books), status.books
        assert (await coordinator.verify(VerifyRequest(full=True))).ok
    return status.books[0]


async def assert_not_applied(store: RedisStore) -> None:
    """Fail if anything says that the migrations are applied."""
    async with store.coordinator() as coordinator:
        assert len(await coordinator.pending()) == 3


async def assert_converges(store: RedisStore, wanted: Records) -> Books:
    """Run once more, undisturbed, and fail unless that finishes it."""
    async with store.coordinator() as coordinator:
        await coordinator.apply(ApplyRequest(lock_seconds=0))
    return await assert_finished(store, wanted)


def configured(outpost: OutpostProcess, store: RedisStore, *, port: int | None = None) -> OutpostProcess:
    """Let a process work on a Redis and on nothing else.

    Args:
        port: Of a proxy in between.
    """
    outpost.settings.pop("SQLITE_PATH", None)
    node = store.nodes[0]
    outpost.settings |= {"REDIS_HOST": node.host, "REDIS_PORT": str(port or node.port)}
    outpost.settings["AES_ENCRYPTION_SECRET"] = SNAPSHOT_SECRET
    if len(store.nodes) > 1:
        outpost.settings["REDIS_CLUSTER_ENABLED"] = "true"
    return outpost


def failing_at(place: str, action: str = "kill") -> dict[str, str]:
    """Return the environment in which a run is killed, or stopped, at a place."""
    return {"OUTPOST_MIGRATE_TESTING": "1", "OUTPOST_MIGRATE_FAILPOINT": f"{place}:{action}"}
