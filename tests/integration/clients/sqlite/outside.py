"""The file as another program sees it."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path


def connect(path: Path, *, timeout: float = 5) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=timeout, check_same_thread=False)


def names(path: Path) -> set[str]:
    """Read all names with a connection of its own."""
    with closing(connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM items")}


def insert(name: str) -> Callable[[sqlite3.Connection], int | None]:
    """Return an operation that inserts a name and returns its key."""
    return lambda connection: connection.execute("INSERT INTO items (name) VALUES (?)", (name,)).lastrowid


@contextmanager
def another_process(program: str, *arguments: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a program that prints a line when it is ready; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
