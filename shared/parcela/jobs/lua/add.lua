-- A job enters, waiting for a stage. A row that exists stays as it is.
-- ARGV: id, why, then the row's fields and values
local id, why = ARGV[1], ARGV[2]
if state(id) == 'absent' then
  set(id, unpack(ARGV, 3))
  redis.call('ZADD', key('jobs'), get(id, 'created'), id)
  redis.call('ZADD', key('owner', get(id, 'owner')), get(id, 'created'), id)
  wait(id, 0)
  note(id, 'absent', get(id, 'stage'), '', '', why)
end
return row(id)
