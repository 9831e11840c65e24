-- KEYS any   Replies for each key with type, milliseconds to live, number of fields, bytes, then the fields of a hash
-- unless it is large.
--%records

local reply = {}
for index = 1, #KEYS do
  local key = KEYS[index]
  local fields = pcall('HLEN', key)
  if type(fields) ~= 'number' or fields == 0 then
    reply[index] = {call('TYPE', key).ok, call('PTTL', key), 0, call('MEMORY', 'USAGE', key) or 0}
  else
    local bytes = call('MEMORY', 'USAGE', key, 'SAMPLES', '8')
    if bytes >= MAX_FIELDS * 16 and large(key) then
      reply[index] = {'hash', call('PTTL', key), fields, bytes}
    else
      reply[index] = {'hash', call('PTTL', key), fields, bytes, unpack(call('HGETALL', key))}
    end
  end
end
return reply
