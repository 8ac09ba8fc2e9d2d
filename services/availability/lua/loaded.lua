-- loaded sets the marker of a full load if Redis still has the data that the load was begun on. It returns 1 when it
-- set the marker, else 0.
-- KEYS[1] the marker   KEYS[2] where the name of the data is   ARGV[1] the name of the data the load was begun on
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], '1')
return 1
