-- The store holds an outcome: whatever the ledger thought, that is how the job ended.
-- ARGV: id, last stage, then the row's fields and values
local id, last = ARGV[1], ARGV[2]
local said = {}
for i = 3, #ARGV, 2 do said[ARGV[i]] = ARGV[i + 1] end
local was = state(id)
if was ~= said.status or get(id, 'token:' .. last) ~= (said['token:' .. last] or '') then
  withdraw(id)
  redis.call('HDEL', key('job', id), 'problem', 'quality')
  set(id, unpack(ARGV, 3))
  redis.call('ZADD', key('jobs'), said.created, id)
  redis.call('ZADD', key('owner', said.owner), said.created, id)
  note(id, was, last, get(id, 'token:' .. last), '', 'outcome in the store')
end
redis.call('SREM', key('unrecorded'), id)
return row(id)
