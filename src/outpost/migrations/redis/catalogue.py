"""The migrations of this line, in order. A released one never changes."""

from collections.abc import Sequence

from outpost.migrations.redis.m001_hash_tags import HashTags
from outpost.migrations.redis.m002_timestamps import Timestamps
from outpost.migrations.redis.m003_entity import Entity
from outpost.migrations.redis.migration import Migration

MIGRATIONS: Sequence[Migration] = (HashTags(), Timestamps(), Entity())

READER = 1
"""The format this program understands; data of a newer `min_reader` is refused."""
