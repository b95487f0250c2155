-- A job leaves the ledger; whoever works on it has lost it.
-- ARGV: id
local id = ARGV[1]
local was = state(id)
if was ~= 'absent' then
  local stage, token, worker = get(id, 'stage'), get(id, 'token'), get(id, 'worker')
  withdraw(id)
  redis.call('ZREM', key('jobs'), id)
  redis.call('ZREM', key('owner', get(id, 'owner')), id)
  redis.call('SREM', key('unrecorded'), id)
  redis.call('DEL', key('job', id))
  note(id, was, stage, token, worker, 'forgotten')
end
return was
