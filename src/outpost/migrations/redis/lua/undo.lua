-- Removes a copy that was just made, unless it has changed since.   KEYS new   ARGV its digest
--%records
if digest(KEYS[1]) == ARGV[1] then return call('UNLINK', KEYS[1]) end
return 0
