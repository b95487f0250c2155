-- The ledger agrees with the store again. Refused if Redis lost its memory once more since that comparison began.
-- Every lease gets a fresh term: its worker could not renew it while Redis was away.
-- ARGV: the comparison's own mark, then the stages
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', key('recovery', ARGV[1])) ~= run_id then return 0 end
for i = 2, #ARGV do
  for _, id in ipairs(redis.call('ZRANGE', key('leases', ARGV[i]), 0, -1)) do
    redis.call('ZADD', key('leases', ARGV[i]), milliseconds() + tonumber(get(id, 'lease')), id)
  end
end
redis.call('SET', key('sentinel'), run_id)
redis.call('DEL', key('recovery', ARGV[1]))
note('', 'unknown', '', '', '', 'ledger compared with the store')
return 1
