-- wrk's side of the lookup benchmarks: keys uniform over user-00000000 … user-<rows - 1>.
-- Arguments after `--`: the path up to the key, the number of rows, keys per request (0: GET),
-- a seed. What came is one JSON line on stderr; an answer that is no 200 is counted there.

local path, rows, batch

function init(arguments)
  path = arguments[1]
  rows = tonumber(arguments[2])
  batch = tonumber(arguments[3])
  math.randomseed(tonumber(arguments[4]))
end

function request()
  if batch == 0 then
    return string.format("GET %suser-%08d HTTP/1.1\r\nhost: bench\r\n\r\n",
      path, math.random(0, rows - 1))
  end
  local keys = {}
  for at = 1, batch do
    keys[at] = string.format('"user-%08d"', math.random(0, rows - 1))
  end
  local body = '{"keys":[' .. table.concat(keys, ",") .. "]}"
  return string.format("POST %s HTTP/1.1\r\nhost: bench\r\n"
    .. "content-type: application/json\r\ncontent-length: %d\r\n\r\n%s", path, #body, body)
end

function done(summary)
  local failed = summary.errors
  io.stderr:write(string.format('{"requests":%d,"duration_us":%d,"bytes":%d,"failed":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
