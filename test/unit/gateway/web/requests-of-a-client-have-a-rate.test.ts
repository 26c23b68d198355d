import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { REQUEST_RATE, RequestLimits } from '../../../../gateway/web/request-limits.ts'

afterEach(() => vi.restoreAllMocks())

it('one request past the burst is answered 429 and its connection ended; another client is served, and this one later', () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(1_000)
  let client = '192.0.2.1'
  const limits = new RequestLimits(() => client)
  const ask = (): ServerResponse => {
    const request = new IncomingMessage(new Socket())
    const response = new ServerResponse(request)
    limits.admit(request, response)
    return response
  }
  // 500 softphones behind one address load the four files of their page.
  expect(REQUEST_RATE.burst).toBeGreaterThanOrEqual(500 * 4)
  for (let count = 0; count < REQUEST_RATE.burst; count += 1) expect(ask().statusCode).toBe(200)
  const refused = ask()
  expect([refused.statusCode, refused.shouldKeepAlive, refused.writableEnded]).toEqual([429, false, true])
  client = '192.0.2.2'
  expect(ask().statusCode).toBe(200)
  client = '192.0.2.1'
  now.mockReturnValue(2_000)
  for (let count = 0; count < REQUEST_RATE.perSecond; count += 1) expect(ask().statusCode).toBe(200)
  expect(ask().statusCode).toBe(429)
  expect(limits.counters()).toEqual({ pipelined: 0, tooManyRequests: 2 })
})
