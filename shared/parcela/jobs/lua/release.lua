-- A worker that is told to stop gives its job back; the attempt does not count.
-- ARGV: id, token
local id, token = unpack(ARGV)
local said = answered(id, token, 'release')
if said then return said end

local stage, worker = get(id, 'stage'), get(id, 'worker')
redis.call('HINCRBY', key('job', id), 'attempt', -1)
wait(id, 0)
note(id, 'running', stage, token, worker, 'released')
return answer(id, token, 'release', 'waiting')
