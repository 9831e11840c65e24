-- KEYS hash [, fence]   ARGV own fence, field, ...; without a field the whole hash goes
local own = tonumber(ARGV[1])
for _, seen in ipairs({redis.call('HGET', KEYS[1], 'fence'), KEYS[2] and redis.call('GET', KEYS[2])}) do
  if seen and tonumber(seen) > own then return redis.error_reply('FENCED a newer run has begun') end
end
if #ARGV == 1 then return redis.call('UNLINK', KEYS[1]) end
return redis.call('HDEL', KEYS[1], unpack(ARGV, 2))
