-- What verification needs to know of records, without moving them.
--   KEYS  records   ARGV  of each: 'o' old, 't' tenant, 'd' destination, 's' summary
-- Replies for each key with a digest of what a migration must not change (or the type, `large`, `none`), milliseconds
-- to live, and what is wrong with a record of the new form: `time`, `entity`, `kept`, or nothing.
--%records

local WORDS = {t = 'tenant', d = 'destination'}
local reply = {}

local function fault(kind, created, updated, entity, kept_created, kept_updated)
  if converted(created) ~= nil or converted(updated) ~= nil then return 'time' end
  if entity ~= WORDS[kind] then return 'entity' end
  if (kept_created and converted(kept_created) ~= created) or (kept_updated and converted(kept_updated) ~= updated) then
    return 'kept'
  end
  return ''
end

for index = 1, #KEYS do
  local key, kind = KEYS[index], ARGV[index]
  local type_of, told, wrong = call('TYPE', key).ok, nil, ''
  if type_of ~= 'hash' then
    told = type_of
  elseif large(key) then
    told = 'large'
  else
    local flat, parts, n, value = call('HGETALL', key), {}, 0, {}
    for at = 1, #flat, 2 do
      local name, text = flat[at], flat[at + 1]
      local own = kind ~= 's'
      if own and (name == 'entity' or sub(name, 1, #KEPT) == KEPT) then
        value[name] = text
      else
        if own and (name == 'created_at' or name == 'updated_at') then
          value[name] = text
          text = converted(text) or text
        end
        n = n + 1
        parts[n] = #name .. ':' .. name .. #text .. ':' .. text
      end
    end
    table.sort(parts)
    told = redis.sha1hex(table.concat(parts))
    if WORDS[kind] then
      wrong = fault(kind, value.created_at, value.updated_at, value.entity,
        value[KEPT .. 'created_at'], value[KEPT .. 'updated_at'])
    end
  end
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = told, call('PTTL', key), wrong
end
return reply
