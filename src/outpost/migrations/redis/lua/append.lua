-- KEYS stream   ARGV own fence, record, how many entries to keep
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
  for at = 1, #last[2], 2 do
    if last[2][at] == 'fence' and tonumber(last[2][at + 1]) > tonumber(ARGV[1]) then
      return redis.error_reply('FENCED a newer run has begun')
    end
  end
end
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'fence', ARGV[1], 'record', ARGV[2])
