"""Writes `shapes.txt`, the catalog after each version, from what the files make on a real server."""

import asyncio
from pathlib import Path

import outpost.migrations.sql.postgres.shape as shipped
from outpost.clients.postgres import connect
from outpost.migrations.sql.postgres.dialect import postgres_scripts
from outpost.migrations.sql.postgres.shape import read_shape
from tests.migrations.postgres.databases import PostgresDatabase
from tests.support.postgres import running_postgres

SHAPES = Path(shipped.__file__).with_name("shapes.txt")


async def written_shapes(database: PostgresDatabase) -> str:
    """Return the text for the scripts as they are; `database` is empty."""
    lines = ["What the catalog shows after each version: + is new, - is gone."]
    before: frozenset[str] = frozenset()
    async with connect(database.target, application="shapes") as connection:
        for script in postgres_scripts():
            for statement in script.statements:
                text = statement.text
                if "batches" in statement.directives:
                    continue  # there are no rows
                await connection.execute(f"BEGIN; {text}; COMMIT")
            shape = await read_shape(connection)
            lines += ["", f"version {script.number}"]
            lines += [f"- {sentence}" for sentence in sorted(before - shape)]
            lines += [f"+ {sentence}" for sentence in sorted(shape - before)]
            before = shape
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with running_postgres() as server, server.fresh_database() as url:
        SHAPES.write_text(asyncio.run(written_shapes(PostgresDatabase(url))), "utf-8")
