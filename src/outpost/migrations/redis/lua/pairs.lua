-- Compares old records with their new ones on one server.
--   KEYS  of each: old, new, new summary   ARGV  tolerance in milliseconds, then of each `o` or `s` (a summary), and the
--         id that the new summary must name, or ''
-- Replies with a text of one digit for each: 1 if they agree, 0 if that needs a closer look.
--%records

local tolerance = tonumber(ARGV[1])

local function fields(key)
  local n = pcall('HLEN', key)
  if type(n) ~= 'number' or n == 0 or large(key) then return nil end
  return call('HGETALL', key)
end

local function ours(name) return name == 'entity' or sub(name, 1, #KEPT) == KEPT end

local function agree(old, new, record)
  local before = fields(old)
  local after = before and fields(new)
  if not after then return false end
  local value, left = {}, 0
  for at = 1, #before, 2 do
    if not (record and ours(before[at])) then
      value[before[at]] = before[at + 1]
      left = left + 1
    end
  end
  for at = 1, #after, 2 do
    local name, text = after[at], after[at + 1]
    if not (record and ours(name)) then
      local was = value[name]
      if not was then return false end
      if was ~= text and not (record and (name == 'created_at' or name == 'updated_at')
        and converted(was) == (converted(text) or text)) then
        return false
      end
      left = left - 1
    end
  end
  if left ~= 0 then return false end
  local first, second = call('PTTL', old), call('PTTL', new)
  return (first < 0) == (second < 0) and math.abs(first - second) <= tolerance
end

local reply = {}
for index = 1, #KEYS / 3 do
  local at, id = index * 3 - 2, ARGV[index * 2 + 1]
  local same = agree(KEYS[at], KEYS[at + 1], ARGV[index * 2] == 'o')
  if same and id ~= '' then same = pcall('HEXISTS', KEYS[at + 2], id) == 1 end
  reply[index] = same and '1' or '0'
end
return table.concat(reply)
