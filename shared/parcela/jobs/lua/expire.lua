-- Leases past due: their workers are taken for dead.
-- ARGV: stage, problem as JSON, most attempts, first back-off in milliseconds
local stage, problem, most, back_off = unpack(ARGV)
if restarted() then return {} end

local due = redis.call('ZRANGEBYSCORE', key('leases', stage), '-inf', milliseconds())
for _, id in ipairs(due) do
  local token, worker = get(id, 'token'), get(id, 'worker')
  try_again(id, true, tonumber(most), tonumber(back_off), problem)
  note(id, 'running', stage, token, worker, 'lease expired')
end
return due
