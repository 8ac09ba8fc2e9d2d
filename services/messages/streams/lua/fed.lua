-- Notes that the stream has been fed up to a place, unless it is to be fed further.
--
-- KEYS: up to where it is being fed. ARGV: the place.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
