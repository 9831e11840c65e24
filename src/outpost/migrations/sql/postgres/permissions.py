"""What the user of the connection must be allowed to do, and the statement that allows it."""

import msgspec

from outpost.clients.postgres import Connection
from outpost.migrations.errors import Refused

OLDEST_SERVER = 120000  # generated columns

_FACTS = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_number,
       pg_is_in_recovery() AS standby,
       current_setting('default_transaction_read_only') = 'on' AS read_only,
       current_schema()::text AS schema,
       current_setting('search_path') AS search_path,
       quote_ident(current_user) AS me,
       current_schema() IS NOT NULL
       AND has_schema_privilege(current_user, current_schema()::text, 'CREATE') AS creates"""
_PRIMARY = "SELECT sender_host, sender_port FROM pg_stat_wal_receiver"
_FOREIGN_TABLES = """
SELECT quote_ident(c.relname) AS name, quote_ident(pg_get_userbyid(c.relowner)) AS owner
  FROM pg_class AS c
 WHERE c.relnamespace = current_schema()::regnamespace
   AND c.relkind IN ('r', 'p')
   AND c.relname IN ('events', 'deliveries', 'attempts', 'event_delivery_index', 'schema_migrations',
                     'outpost_migrations', 'outpost_migration_runs', 'outpost_migration_lease')
   AND NOT pg_has_role(current_user, c.relowner, 'USAGE')
 ORDER BY c.relname"""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that would make `apply` fail."""

    name: str
    what: str
    repair: str


async def faults(connection: Connection) -> list[Fault]:
    """Return what stands in the way of changing the tables, whoever holds the lock and whatever is pending."""
    facts = await connection.fetchrow(_FACTS)
    assert facts is not None
    found: list[Fault] = []

    def fault(name: str, what: str, repair: str) -> None:
        found.append(Fault(name=name, what=what, repair=repair))

    if facts["version_number"] < OLDEST_SERVER:
        fault("server version", f"PostgreSQL {facts['version']} is too old", "upgrade the server to 12 or newer")
    if facts["standby"]:
        fault("writable", "the server is a read-only standby", await _naming_primary(connection))
    elif facts["read_only"]:
        repair = f"ALTER ROLE {facts['me']} SET default_transaction_read_only = off"
        fault("writable", "transactions are read-only by default (default_transaction_read_only)", repair)
    if facts["schema"] is None:
        what = f"none of the schemas of search_path exists ({facts['search_path']})"
        fault("schema", what, "CREATE SCHEMA public")
    elif not facts["creates"]:
        what = f"{facts['me']} may not create tables in schema {facts['schema']}"
        fault("may create tables", what, f'GRANT CREATE ON SCHEMA "{facts["schema"]}" TO {facts["me"]}')
    for row in await connection.fetch(_FOREIGN_TABLES) if facts["schema"] is not None else []:
        what = f"{facts['me']} does not own {row['name']}, and only its owner may change it"
        fault("owns the tables", what, f"GRANT {row['owner']} TO {facts['me']}")
    return found


async def refuse_standby(connection: Connection) -> None:
    """Raises Refused if the server follows another one, with the name of that if it may be known."""
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        repair = await _naming_primary(connection)
        raise Refused(f"nothing was changed: the server is a read-only standby; repair: {repair}")


async def _naming_primary(connection: Connection) -> str:
    """Return what to do about a standby. Which server it follows only those may see who may see statistics."""
    row = await connection.fetchrow(_PRIMARY)
    follows = f"; this one follows {row['sender_host']}:{row['sender_port']}" if row and row["sender_host"] else ""
    return f"name the primary server in POSTGRES_URL{follows}"


async def refuse_without_permission(connection: Connection) -> None:
    """Raises Refused with everything that stands in the way, and its repair."""
    found = await faults(connection)
    if found:
        raise Refused("nothing was changed: " + "; ".join(f"{each.what}; repair: {each.repair}" for each in found))
