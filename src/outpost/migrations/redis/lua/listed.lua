-- KEYS summaries   ARGV for each the id of a destination. Replies with 1 for each that its summary names, else 0.

local named = {}
for index = 1, #KEYS do
  named[index] = redis.pcall('HEXISTS', KEYS[index], ARGV[index]) == 1 and 1 or 0  -- an error: it is not a hash
end
return named
