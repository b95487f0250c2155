-- Leases past due: their workers are taken for dead. There is no back-off: the lease was wait enough.
-- ARGV: stage, problem as JSON, most attempts
local stage, problem, most = unpack(ARGV)
if restarted() then return {} end

local due = redis.call('ZRANGEBYSCORE', key('leases', stage), '-inf', milliseconds())
for _, id in ipairs(due) do
  local token, worker = get(id, 'token'), get(id, 'worker')
  try_again(id, true, tonumber(most), 0, problem)
  note(id, 'running', stage, token, worker, 'lease expired')
end
return due
