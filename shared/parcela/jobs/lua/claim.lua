-- A worker takes a waiting job of a stage. The attempt counts before the work starts.
-- Owners take turns: whose last turn is longest ago comes first, with the oldest of their jobs.
-- ARGV: stage, its status, its first progress, token, worker, lease in milliseconds
local stage, status, progress, token, worker, lease = unpack(ARGV)

local function taken(id)
  return {id, row(id)}
end

-- The same request again, because its reply was lost: the same answer.
local mine = redis.call('GET', key('claim', token))
if mine then return get(mine, 'token') == token and taken(mine) or false end

if restarted() then return false end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('later', stage), '-inf', milliseconds())) do
  redis.call('ZREM', key('later', stage), id)
  redis.call('ZADD', key('waiting', stage), place(id), id)
end
local id, turn, seen = nil, nil, {}
for _, waiting in ipairs(redis.call('ZRANGE', key('waiting', stage), 0, -1)) do
  local owner = get(waiting, 'owner')
  if not seen[owner] then
    seen[owner] = true
    local last = tonumber(redis.call('ZSCORE', key('turns'), owner) or 0)
    if not id or last < turn then id, turn = waiting, last end
  end
end
if not id then return false end

redis.call('ZREM', key('waiting', stage), id)
redis.call('ZADD', key('turns'), redis.call('INCR', key('turns-taken')), get(id, 'owner'))
redis.call('SET', key('claim', token), id, 'EX', 600)
redis.call('HSETNX', key('job', id), 'started', seconds())
redis.call('HINCRBY', key('job', id), 'attempt', 1)
set(id, 'status', status, 'waiting', 0, 'step', '', 'progress', progress,
  'token', token, 'worker', worker, 'lease', lease)
redis.call('ZADD', key('leases', stage), milliseconds() + lease, id)
note(id, 'waiting', stage, token, worker, 'claimed')
return taken(id)
