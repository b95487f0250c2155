-- The ledger agrees with the store again. Refused if Redis lost its memory once more since that comparison began.
-- A lease that ends soon is prolonged: its worker could not renew it while Redis was away, and does so now if it lives.
-- ARGV: the comparison's own mark, by when the living have renewed theirs in milliseconds from now, then the stages
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', key('recovery', ARGV[1])) ~= run_id then return 0 end
for i = 3, #ARGV do
  for _, id in ipairs(redis.call('ZRANGE', key('leases', ARGV[i]), 0, -1)) do
    local term = math.min(tonumber(get(id, 'lease')), tonumber(ARGV[2]))
    redis.call('ZADD', key('leases', ARGV[i]), 'GT', milliseconds() + term, id)
  end
end
redis.call('SET', key('sentinel'), run_id)
redis.call('DEL', key('recovery', ARGV[1]))
note('', 'unknown', '', '', '', 'ledger compared with the store')
return 1
