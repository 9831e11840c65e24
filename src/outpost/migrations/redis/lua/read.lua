-- KEYS any   Replies with type, milliseconds to live, number of fields, bytes, then the fields of a small hash.
--%records
local kind = call('TYPE', KEYS[1]).ok
local ttl = call('PTTL', KEYS[1])
if kind ~= 'hash' then return {kind, ttl, 0, call('MEMORY', 'USAGE', KEYS[1]) or 0} end
local fields, bytes = call('HLEN', KEYS[1]), call('MEMORY', 'USAGE', KEYS[1])
if large(KEYS[1]) then return {kind, ttl, fields, bytes} end
return {kind, ttl, fields, bytes, unpack(call('HGETALL', KEYS[1]))}
