"""The Lua scripts, put together from the files in `lua/` and the constants they share with the client."""

from functools import cache
from importlib.resources import files

from outpost.clients.redis import Script

KEPT = "outpost:kept:"
"""Before the name of a field: the field that keeps what a migration replaced. Readers ignore it."""

MAX_FIELDS = 512
"""Hashes with more fields are read and written in pieces, outside scripts, so that no command takes long."""

MAX_BYTES = 1024 * 1024
"""Of one record. No release could write a larger tenant or destination."""

_CONSTANTS = f"""\
local KEPT, MAX_FIELDS, MAX_BYTES = '{KEPT}', {MAX_FIELDS}, {MAX_BYTES}
local DRY, DO = true, {{}}
local function REFUSED(key, own)
  local seen = redis.call('GET', key)
  if not seen and tonumber(own) > 0 then
    return redis.error_reply('FENCED the fence of the run is gone: the server was emptied or has evicted it')
  end
  if seen and tonumber(seen) > tonumber(own) then return redis.error_reply('FENCED a newer run has begun') end
end
local function DRY_OF(text) return text ~= '' end
local function DO_OF(text)
  local function has(part) return string.find(text, part, 1, true) ~= nil end
  return {{has('1'), has('2'), has('3'), doubt = has('?'), careful = has('c')}}
end
"""


@cache
def script(name: str) -> Script:
    """Return the script of a file in `lua/`, without its ending."""
    folder = files("outpost.migrations.redis") / "lua"
    body = (folder / f"{name}.lua").read_text()
    return Script(_CONSTANTS + body.replace("--%records", (folder / "records.lua").read_text()))
