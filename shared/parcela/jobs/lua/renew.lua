-- A worker still has its job, and says how far it is.
-- ARGV: id, token, lease in milliseconds, step, progress
local id, token, lease, step, progress = unpack(ARGV)
if get(id, 'token') ~= token then return 'lost' end
redis.call('ZADD', key('leases', get(id, 'stage')), milliseconds() + lease, id)
set(id, 'lease', lease, 'step', step, 'progress', progress)
return 'held'
