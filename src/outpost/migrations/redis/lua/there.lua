-- KEYS any, ARGV for each a dot and the name of a field, or empty to ask for the key. Replies with 1 for each key or
-- field that is there, else 0.

local there = {}
for index = 1, #KEYS do
  local key, field = KEYS[index], ARGV[index]
  local found = field == '' and redis.call('EXISTS', key) or redis.pcall('HEXISTS', key, string.sub(field, 2))
  there[index] = found == 1 and 1 or 0  -- an error: it is not a hash
end
return there
