/** Text cut from a message keeps all of it: 1 000 remembered calls held on to 1 000 BYEs, each as long as its peer liked. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { verdictOf } from '../../../../gateway/diagnosis.ts'
import { GatewayFailure } from '../../../../gateway/gateway-failure.ts'
import { CallTrace } from '../../../../gateway/ladder/call-trace.ts'
import { rawValues } from '../../../../sip/message/headers.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'

const CALLS = 200
const FILLER = 40_000
const FEW_BYTES = 8_000

/** A reason as long as people write, out of a message that is much longer. */
function reasonOf(call: number): string {
  const lines = [
    'BYE sip:bob@example.com SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx',
    'From: <sip:alice@example.com>;tag=1',
    'To: <sip:bob@example.com>;tag=2',
    `Call-ID: ${call}`,
    'CSeq: 1 BYE',
    `Reason: SIP;cause=488;text="nothing of this can be used ${call}"`,
    ...Array.from({ length: 10 }, () => `X-Filler: ${'x'.repeat(FILLER / 10)}`),
    'Content-Length: 0',
  ]
  const message = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
  const [reason] = rawValues(message, 'Reason')
  if (reason === undefined) throw new Error('no Reason')
  return reason
}

function traceOf(how: (trace: CallTrace, reason: string) => void, call: number): CallTrace {
  const options = { callId: `${call}`, caller: 'user:a', callee: 'user:b', startedAt: new Date(0) }
  const trace = new CallTrace({ ...options, nowMs: () => 0 })
  how(trace, reasonOf(call))
  return trace
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

const failed = (seen: string) => verdictOf(new GatewayFailure('call.unknown-number', { seen }))

test.each<[string, (trace: CallTrace, reason: string) => void]>([
  ['what was said at its end', (trace, said) => trace.end({ said, isCancelled: false })],
  ['what was seen of a failure', (trace, seen) => trace.end({ verdict: failed(seen), isCancelled: false })],
  ['what was seen of a finding', (trace, seen) => trace.addFinding(failed(seen))],
  ['a line', (trace, detail) => trace.note('sent', {}, detail)],
])('%s is kept without the message it came in', (_name, how) => {
  // Code and tables that the first one needs stay.
  const traces = [traceOf(how, 0)]
  const before = heapUsed()
  for (let call = 1; call <= CALLS; call += 1) traces.push(traceOf(how, call))
  expect((heapUsed() - before) / CALLS).toBeLessThan(FEW_BYTES)
  expect(traces.map((trace) => trace.callId)).toHaveLength(CALLS + 1)
})
