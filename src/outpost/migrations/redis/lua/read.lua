-- KEYS any   Replies for each key with type, milliseconds to live, number of fields, bytes, then the fields of a hash
-- unless it is large.
--%records

local function other(key)
  local type = call('TYPE', key).ok
  local fields = type == 'hash' and call('HLEN', key) or 0
  return {type, call('PTTL', key), fields, call('MEMORY', 'USAGE', key) or 0}
end

local function read(key)
  local bytes = call('MEMORY', 'USAGE', key, 'SAMPLES', '8')
  local readable = bytes and (bytes < SURELY_SMALL or call('TYPE', key).ok == 'hash' and not large(key))
  local fields = readable and pcall('HGETALL', key)
  if not fields or fields.err then return other(key) end
  return {'hash', call('PTTL', key), #fields / 2, bytes, unpack(fields)}
end

local reply = {}
for index = 1, #KEYS do reply[index] = read(KEYS[index]) end
return reply
