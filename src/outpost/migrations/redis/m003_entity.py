"""003 (before the upgrade of the servers): records say what they are, so that a search index can tell them apart.

tenant:{<t>}:tenant             entity tenant
tenant:{<t>}:destination:<d>    entity destination
"""

from outpost.migrations.redis.families import Kind
from outpost.migrations.redis.migration import Fields

_ENTITIES = {Kind.TENANT: b"tenant", Kind.DESTINATION: b"destination"}


class Entity:
    number = 3
    name = "003_entity"
    description = "tenants and destinations say which of the two they are"
    preserves = ""
    min_reader = 1
    online = True

    def inapplicable(self, prefix: str) -> str:
        return ""

    def transform(self, record: Fields, kind: Kind) -> Fields:
        entity = _ENTITIES.get(kind)
        if entity is None:
            return record
        if record.get(b"entity", b"") not in (b"", *_ENTITIES.values()):
            raise ValueError("an entity that no release wrote")
        return {**record, b"entity": entity}

    def is_done(self, record: Fields, kind: Kind) -> bool:
        entity = _ENTITIES.get(kind)
        return entity is None or record.get(b"entity") == entity
