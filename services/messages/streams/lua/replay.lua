-- Puts a dead letter back into the stream, for its group. Answers 0 where there is none.
--
-- KEYS: the stream; the dead letters. ARGV: the group; the dead letter's id.
local found = redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2])
if #found == 0 then return 0 end
local fields, event = found[1][2], ''
for i = 1, #fields, 2 do
  if fields[i] == 'event' then event = fields[i + 1] end
end
redis.call('XADD', KEYS[1], '*', 'event', event, 'group', ARGV[1])
redis.call('XDEL', KEYS[2], ARGV[2])
return 1
