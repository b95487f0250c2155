-- A worker takes the oldest waiting job of a stage. The attempt counts before the work starts.
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
  redis.call('ZADD', key('waiting', stage), get(id, 'created'), id)
end
local oldest = redis.call('ZPOPMIN', key('waiting', stage))
if #oldest == 0 then return false end

local id = oldest[1]
redis.call('SET', key('claim', token), id, 'EX', 600)
redis.call('HSETNX', key('job', id), 'started', seconds())
redis.call('HINCRBY', key('job', id), 'attempt', 1)
set(id, 'status', status, 'waiting', 0, 'step', '', 'progress', progress,
  'token', token, 'worker', worker, 'lease', lease)
redis.call('ZADD', key('leases', stage), milliseconds() + lease, id)
note(id, 'waiting', stage, token, worker, 'claimed')
return taken(id)
