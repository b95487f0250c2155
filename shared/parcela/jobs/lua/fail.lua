-- An attempt has failed. Where an earlier stage's files are no longer good, the job waits for that stage.
-- ARGV: id, token, problem as JSON, 1 to retry, most attempts, first back-off in milliseconds,
--   1 to go to the end of the queue, and perhaps the earlier stage and its status
local id, token, problem, retry, most, back_off, hindmost, earlier, status = unpack(ARGV)
local said = answered(id, token, 'fail')
if said then return said end

local stage, worker = get(id, 'stage'), get(id, 'worker')
if earlier then
  withdraw(id)
  redis.call('HDEL', key('job', id), 'token:' .. earlier)
  -- The attempts there begin at the number of such returns, so that they come to an end.
  set(id, 'stage', earlier, 'status', status, 'attempt', redis.call('HINCRBY', key('job', id), 'returns', 1))
end
if hindmost == '1' then set(id, 'queued', seconds()) end
local result = try_again(id, retry == '1', tonumber(most), tonumber(back_off), problem)
note(id, 'running', stage, token, worker, 'failed: ' .. cjson.decode(problem).slug)
return answer(id, token, 'fail', result)
