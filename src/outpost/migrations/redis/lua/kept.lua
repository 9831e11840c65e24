-- KEYS record   Says whether it keeps a replaced time.
--%records
local found = pcall('HMGET', KEYS[1], KEPT_CREATED, KEPT_UPDATED)
return (not found.err and (found[1] or found[2])) and 1 or 0
