-- addstreamticket keeps a stream ticket, unless its holder has as many as allowed. It first forgets those that have
-- ended. It returns 1 when it kept the ticket, else 0. Times are in milliseconds since 1970, by the caller's clock.
-- KEYS[1] the holder's tickets, by their ends
-- ARGV[1] the ticket   ARGV[2] now   ARGV[3] the ticket's end   ARGV[4] how many are allowed
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
-- The newest ticket may end first: a ticket ends with the token that made it.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIRE', KEYS[1], tonumber(last) - tonumber(ARGV[2]))
return 1
