-- Makes a dead letter of an entry, and acknowledges it. Answers 0 where there are as many dead letters as are kept, and
-- -1 where the entry was acknowledged meanwhile.
--
-- KEYS: the stream; the dead letters. ARGV: the group; the entry's id; its text; the reason; the tries; the bound.
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[6]) then return 0 end
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return -1 end
redis.call('XADD', KEYS[2], '*', 'event', ARGV[3], 'reason', ARGV[4], 'tries', ARGV[5])
return 1
