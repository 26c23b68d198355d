import { execFileSync } from 'node:child_process'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import type { Log } from '../../../config/logging.ts'
import type { Admin } from '../../../gateway/commands/admin.ts'
import { verdictOf } from '../../../gateway/diagnosis.ts'
import { answerAboutCalls } from '../../../gateway/ladder/call-answers.ts'
import { CallHistory } from '../../../gateway/ladder/call-history.ts'
import { CallTrace, TRACE_LIMITS } from '../../../gateway/ladder/call-trace.ts'
import { CdrWriter, cdrOf, RETRY_MS } from '../../../gateway/ladder/cdr.ts'
import { ladderText, timelineText } from '../../../gateway/ladder/ladder-text.ts'
import { redactSdp } from '../../../gateway/ladder/redact.ts'
import { MediaFailure } from '../../../media/failure.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import {
  answered,
  BROWSER,
  PHONE,
  place,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { until } from '../../harness/until.ts'

afterEach(closeAll)
const signedIn = (gateway: ScriptedGateway) => gateway.registered('alice')

describe('the history of a call', () => {
  it('that was answered and hung up is ok, with the Call-IDs of both legs', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await signedIn(gateway)
    const { caller, callee } = await answered(
      gateway,
      { peer: alice, user: 'alice', local: BROWSER },
      { peer: gateway.trunk, number: '0123', local: PHONE },
    )
    const [live] = gateway.calls.history.list()
    expect(live).toMatchObject({
      state: 'connected',
      caller: 'user:alice',
      callee: 'trunk:pbx',
      outcome: 'ok',
    })
    caller.dialog?.bye()
    await gateway.time.advance(1_000)
    const [report] = gateway.calls.history.list()
    expect(report).toMatchObject({ state: 'ended', outcome: 'ok', endedBy: 'caller', findings: [] })
    expect(gateway.calls.history.find(callee.dialog?.callId ?? '')?.callId).toBe(report?.callId)
    expect(report?.legs.map(({ name, party, kind }) => [name, party, kind])).toEqual([
      ['caller', 'user:alice', 'webrtc'],
      ['callee', 'trunk:pbx', 'rtp'],
    ])
    expect(
      report?.legs.map(({ rungs }) =>
        rungs.filter(({ state }) => state === 'climbed').map(({ stage }) => stage),
      ),
    ).toEqual([
      ['S1', 'S2'],
      ['S1', 'S2'],
    ])
    const descriptions = report?.timeline.filter(({ what }) => what === 'sdp') ?? []
    expect(descriptions.map(({ leg, direction }) => `${leg} ${direction}`)).toEqual([
      'caller received',
      'callee sent',
      'callee received',
      'caller sent',
    ])
    for (const { detail = '' } of descriptions) expect(detail).not.toMatch(/ice-pwd:(?!\[redacted\])/)
  })

  it('that was refused names the leg and the code; the caller is told the code and nothing else', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await signedIn(gateway)
    const call = place(alice, 'alice', '0123')
    const invite = await ringing(gateway, gateway.trunk)
    invite.reject(486)
    await gateway.time.advance(1_000)
    expect([statusOf(call), reasonText(call)]).toEqual([486, 'SIP;cause=486;text="call.refused"'])
    const [report] = gateway.calls.history.list()
    expect(report).toMatchObject({
      outcome: 'failed',
      verdict: { stage: 'S1', code: 'call.refused', leg: 'callee', seen: 'trunk:pbx: 486 Busy Here' },
    })
    if (report === undefined) return
    expect(ladderText(report)).toContain('S1 signalling: call.refused (callee leg)')
    expect(cdrOf(report)).toMatchObject({
      outcome: 'failed',
      verdict: { code: 'call.refused', leg: 'callee' },
    })
    gateway.expectsVerdicts('call.refused')
  })

  it('that never became one is kept for those who are known, and not for strangers', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await signedIn(gateway)
    place(alice, 'alice', 'nobody')
    place(gateway.browser(), 'mallory', 'alice')
    await gateway.time.advance(1_000)
    expect(
      gateway.calls.history.list().map(({ caller, callee, verdict }) => [caller, callee, verdict?.code]),
    ).toEqual([['user:alice', 'nobody', 'call.unknown-number']])
    gateway.expectsVerdicts('call.unknown-number')
  })

  it.each([
    ['X.int;cause=102;text="RTP Timeout"', 'ok', undefined],
    ['SIP;cause=488;text="Bad Media Description"', 'impaired', 'call.sdp-refused'],
  ] as const)('keeps why a peer hung up: %s', async (said, outcome, code) => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = { peer: await signedIn(gateway), user: 'alice', local: BROWSER }
    const { caller } = await answered(gateway, alice, { peer: gateway.trunk, number: '0123', local: PHONE })
    caller.dialog?.bye([{ name: 'Reason', value: said }])
    await gateway.time.advance(1_000)
    const [report] = gateway.calls.history.list()
    expect(report).toMatchObject({ outcome, endedBy: 'caller', said })
    expect(report?.findings).toEqual(
      code === undefined ? [] : [expect.objectContaining({ code, leg: 'caller', seen: `BYE ${said}` })],
    )
    const end = report?.timeline.find(({ what }) => what === 'ended')
    expect(end).toMatchObject({ leg: 'caller', detail: said })
    expect(gateway.records[0]).toMatchObject({ outcome, said })
    expect(gateway.logged('call ended')[0]?.fields).toMatchObject({ leg: 'caller', said })
    if (code !== undefined) gateway.expectsVerdicts(code)
  })

  it('keeps no reason that is longer than a line should be', async () => {
    const said = `SIP;cause=488;text="${'x'.repeat(600)}"`
    const gateway = closing(await ScriptedGateway.open())
    const alice = { peer: await signedIn(gateway), user: 'alice', local: BROWSER }
    const { caller } = await answered(gateway, alice, { peer: gateway.trunk, number: '0123', local: PHONE })
    caller.dialog?.bye([{ name: 'Reason', value: said }])
    await gateway.time.advance(1_000)
    expect(gateway.records[0]).toMatchObject({ outcome: 'ok', endedBy: 'caller' })
    expect(gateway.records[0]?.said).toBeUndefined()
  })

  it('that the caller gave up is cancelled, and no failure', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await signedIn(gateway)
    const call = place(alice, 'alice', '0123')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180)
    await gateway.time.advance(100)
    const said = 'SIP;cause=200;text="Call completed elsewhere"'
    call.invite.cancel([{ name: 'Reason', value: said }])
    await gateway.time.advance(1_000)
    expect(gateway.calls.history.list()[0]).toMatchObject({ outcome: 'cancelled', findings: [], said })
    gateway.expectsVerdicts('cancelled')
  })

  it('that the caller gave up at a trunk that said nothing tells just that, by when there should have been something', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await signedIn(gateway)
    gateway.trunkFlow.drops = () => true
    const call = place(alice, 'alice', '0123')
    await gateway.time.advance(6_200)
    call.invite.cancel()
    await gateway.time.advance(1_000)
    const [report] = gateway.calls.history.list()
    expect(report).toMatchObject({
      outcome: 'cancelled',
      verdict: {
        code: 'trunk.silent',
        leg: 'callee',
        seen: expect.stringMatching(/^trunk:pbx: nothing in 6\.\d s$/),
      },
    })
    if (report === undefined) return
    expect(ladderText(report)).toMatch(/: cancelled after 6\.\d s$/m)
    expect(ladderText(report)).toContain('S1 signalling: trunk.silent (callee leg)')
    gateway.expectsVerdicts(['cancelled', 'trunk.silent'])
  })

  it('that the caller gave up in the first second blames no trunk', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await signedIn(gateway)
    gateway.trunkFlow.drops = () => true
    const call = place(alice, 'alice', '0123')
    await gateway.time.advance(1_500)
    call.invite.cancel()
    await gateway.time.advance(1_000)
    gateway.expectsVerdicts('cancelled')
  })

  it('that had keys in its descriptions keeps none of them', async () => {
    const gateway = closing(await ScriptedGateway.open({}, { media: 'sdes' }))
    const alice = await signedIn(gateway)
    const call = place(alice, 'alice', '0123')
    await ringing(gateway, gateway.trunk)
    call.invite.cancel()
    gateway.expectsVerdicts('cancelled')
    const [report] = gateway.calls.history.list()
    const sent = report?.timeline.find(({ leg, what }) => leg === 'callee' && what === 'sdp')?.detail
    expect(sent).toContain('inline:[redacted]')
    expect(sent).not.toMatch(/inline:[A-Za-z0-9+/]/)
  })
})

const mismatch = new MediaFailure('dtls.fingerprint-mismatch', { expected: 'sha-256 AA', seen: 'sha-256 BB' })

function traceOf(callId: string, nowMs: () => number = () => 0): CallTrace {
  return new CallTrace({ callId, caller: 'user:alice', callee: 'trunk:pbx', nowMs, startedAt: new Date(0) })
}

describe('a trace', () => {
  it('is bounded in lines and bytes, and its end still finds room', () => {
    const trace = traceOf('a')
    for (let i = 0; i < 10_000; i += 1)
      trace.note('sdp', { leg: 'caller' }, 'x'.repeat(i % 2 === 0 ? 10 : 20_000))
    trace.end({ verdict: verdictOf(mismatch, { leg: 'caller' }), isCancelled: false })
    const { timeline, omitted } = trace.report()
    const bytes = timeline.reduce((sum, { what, detail = '' }) => sum + what.length + detail.length, 0)
    expect(timeline.length).toBeLessThanOrEqual(TRACE_LIMITS.entries)
    expect(bytes).toBeLessThanOrEqual(TRACE_LIMITS.bytes + 10)
    expect(omitted).toBeGreaterThan(9_000)
    expect(timeline.slice(-2).map(({ what }) => what)).toEqual(['finding', 'ended'])
    expect(timelineText(trace.report())).toContain('more lines had no room')
  })

  it('has eight legs; one more is counted among what is left out', () => {
    const trace = traceOf('a')
    for (let leg = 0; leg < TRACE_LIMITS.legs; leg += 1) trace.leg(`transfer-${leg}`, 'user:bob', 'webrtc')
    expect(trace.report()).toMatchObject({ omitted: 0 })
    trace.leg('transfer-8', 'user:bob', 'webrtc')
    expect([trace.report().legs.length, trace.report().omitted]).toEqual([TRACE_LIMITS.legs, 1])
  })

  it('has 256 characters of a Call-ID, by which its call is found', () => {
    const long = 'c'.repeat(8_000)
    const history = new CallHistory({ maxCalls: 4, keepMs: 1_000, nowMs: () => 0 })
    const trace = traceOf(long)
    trace.dialog('d'.repeat(257))
    history.end(trace)
    const report = trace.report()
    expect([report.callId.length, report.otherCallIds[0]?.length]).toEqual([256, 256])
    expect(cdrOf(report).callId).toBe('c'.repeat(256))
    expect([history.findExactly(long), history.findExactly('d'.repeat(257))]).toEqual([trace, trace])
  })

  it('keeps a finding once for each place, and no more than its limit', () => {
    const trace = traceOf('a')
    const verdict = verdictOf(mismatch, { leg: 'caller' })
    expect([
      trace.addFinding(verdict),
      trace.addFinding(verdict),
      trace.addFinding({ ...verdict, leg: 'callee' }),
    ]).toEqual([true, false, true])
    for (let i = 0; i < 100; i += 1) trace.addFinding({ ...verdict, leg: `transfer-${i}` })
    expect(trace.report().findings).toHaveLength(TRACE_LIMITS.findings)
  })

  it('prints as a ladder: verdict with expected, seen, cause and remedy, then each rung with its time', () => {
    let nowMs = 0
    const trace = traceOf('a1b2', () => nowMs)
    trace.leg('caller', 'user:alice', 'webrtc')
    trace.leg('callee', 'trunk:pbx', 'sdes')
    trace.climb('caller', 'S1')
    nowMs = 12
    trace.agreed('caller', 'PCMU')
    trace.climb('callee', 'S1')
    trace.agreed('callee', 'PCMU')
    nowMs = 250
    trace.climb('caller', 'S3')
    nowMs = 1_400
    trace.end({ verdict: verdictOf(mismatch, { leg: 'caller' }), by: 'caller', isCancelled: false })
    const text = ladderText(trace.report())
    expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
      'call a1b2',
      'user:alice -> trunk:pbx, 1970-01-01T00:00:00Z: failed after 1.4 s',
      '',
      'S4 DTLS: dtls.fingerprint-mismatch (caller leg) at 1.400 s',
      '   what      certificate does not match the fingerprint',
      '   expected  sha-256 AA',
      '   seen      sha-256 BB',
      '   cause     something on the way changed the SDP, or sits in the middle of the media',
      '   do        compare a=fingerprint as the client wrote it with what is expected here; take the proxy that rewrites SDP out',
      '',
      '                    caller user:alice (webrtc, PCMU)  callee trunk:pbx (sdes, PCMU)',
      'S1 signalling       ok 0.000 s                        ok 0.012 s',
      'S2 SDP              ok 0.012 s                        ok 0.012 s',
      'S3 ICE              ok 0.250 s',
      'S4 DTLS             FAILED 1.400 s',
      'S5 SRTP             -                                 -',
      'S6 media from peer  -                                 -',
      'S6 media to peer    -                                 -',
      '',
    ])
  })

  it('holds back characters that would move the cursor of who reads it', () => {
    const trace = traceOf('a\u001b[2J')
    trace.note('sdp', {}, 'a\u001b]0;x\u0007')
    for (const text of [ladderText(trace.report()), timelineText(trace.report())]) {
      expect([...text].filter((character) => character < ' ' && character !== '\n')).toEqual([])
    }
  })
})

describe('the history', () => {
  it('forgets the oldest past its number, all past their time, and refused attempts crowd nobody out', () => {
    let nowMs = 0
    const history = new CallHistory({ maxCalls: 4, keepMs: 1_000, nowMs: () => nowMs })
    for (let i = 0; i < 6; i += 1) history.end(traceOf(`call-${i}`))
    for (let i = 0; i < 100; i += 1) history.refuse(traceOf(`refused-${i}`))
    expect(
      history
        .list()
        .map(({ callId }) => callId)
        .sort(),
    ).toEqual(['call-2', 'call-3', 'call-4', 'call-5', 'refused-99'])
    nowMs = 1_000
    expect(history.list()).toEqual([])
    expect(history.size).toBe(0)
  })

  it('tells how long a live call has been by the clock of the call, whatever the time of day has become', () => {
    let nowMs = 1_000
    const history = new CallHistory({ maxCalls: 4, keepMs: 1_000, nowMs: () => nowMs })
    history.begin(traceOf('live', () => nowMs))
    nowMs += 12_345
    let listed: unknown
    const admin: Partial<Admin> = {
      handle: (name, answer) => {
        if (name === 'calls') listed = answer(new URLSearchParams())
      },
    }
    answerAboutCalls(admin as Admin, history)
    expect(listed).toMatchObject([{ callId: 'live', durationS: 12 }])
  })

  it('finds a call by the beginning of its Call-ID when that is one call only', () => {
    const history = new CallHistory({ maxCalls: 4, keepMs: 1_000, nowMs: () => 0 })
    for (const callId of ['abcdef', 'abcxyz']) history.begin(traceOf(callId))
    expect(history.find('abcd')?.callId).toBe('abcdef')
    expect(history.find('abc')).toBeUndefined()
    expect(history.find('abcxyz')?.callId).toBe('abcxyz')
  })
})

describe('descriptions', () => {
  it.each([
    [
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20|1:4',
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[redacted]|2^20|1:4',
    ],
    ['a=crypto:1 X inline:c2Vj;inline:cmV0', 'a=crypto:1 X inline:[redacted];inline:[redacted]'],
    ['A=CRYPTO:1 X INLINE:c2Vj', 'A=CRYPTO:1 X inline:[redacted]'],
    ['a=crypto:1 X other:c2Vj', 'a=crypto:[redacted]'],
    ['a=ice-pwd:secret', 'a=ice-pwd:[redacted]'],
    ['k=clear:secret', 'k=[redacted]'],
    ['a=key-mgmt:mikey AQAFgM0', 'a=key-mgmt:[redacted]'],
    ['a=fingerprint:sha-256 AB:CD', 'a=fingerprint:sha-256 AB:CD'],
  ])('%s is kept as %s', (line, kept) => {
    expect(redactSdp(`v=0\r\n${line}\r\n`)).toBe(`v=0\n${kept}`)
  })
})

/** A log, the Call-IDs of the call records in it, and all else that it was told. */
function logOfRecords() {
  const told: string[] = []
  const ids: string[] = []
  const keep = (message: string, fields?: unknown): void => {
    if (message === 'call record') ids.push((fields as { callId: string }).callId)
    else told.push(message)
  }
  const log: Log = { error: keep, warn: keep, info: keep, debug: keep, child: () => log }
  return { log, told, ids }
}

describe('call records', () => {
  const lines: { message: string; fields: unknown }[] = []
  const log: Log = {
    error: (message, fields) => void lines.push({ message, fields }),
    warn: () => {},
    info: (message, fields) => void lines.push({ message, fields }),
    debug: () => {},
    child: () => log,
  }

  it('go into a file, one line each, and into a new one after it was rotated away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'webtrunk-cdr-'))
    const path = join(folder, 'calls.jsonl')
    const writer = new CdrWriter(path, log)
    writer.write(cdrOf(traceOf('a').report()))
    await until(() => existsSync(path) && readFileSync(path).length > 0)
    renameSync(path, `${path}.1`)
    writer.reopen()
    writer.write(cdrOf(traceOf('b').report()))
    await writer.close()
    const idsIn = (file: string) =>
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { callId: string }).callId)
    expect([idsIn(`${path}.1`), idsIn(path)]).toEqual([['a'], ['b']])
    rmSync(folder, { recursive: true })
  })

  it('are lines of the log, each of those that waited, when the disk is full', async () => {
    lines.length = 0
    const writer = new CdrWriter('/dev/full', log)
    for (const id of ['a', 'b', 'c']) writer.write(cdrOf(traceOf(id).report()))
    await until(() => lines.length === 4)
    await writer.close()
    const records = lines.filter(({ message }) => message === 'call record')
    expect(records.map(({ fields }) => (fields as { callId: string }).callId)).toEqual(['a', 'b', 'c'])
  })

  it('go into the file again when the disk has room, on lines of their own', async () => {
    lines.length = 0
    const folder = mkdtempSync(join(tmpdir(), 'webtrunk-cdr-'))
    const path = join(folder, 'calls.jsonl')
    symlinkSync('/dev/full', path)
    let nowMs = 0
    const writer = new CdrWriter(path, log, () => nowMs)
    const write = (id: string): void => writer.write(cdrOf(traceOf(id).report()))
    write('a')
    await until(() => lines.length === 2)
    rmSync(path)
    writeFileSync(path, '{"torn":')
    nowMs += RETRY_MS - 1
    write('b')
    nowMs += 1
    write('c')
    await until(() => lines.at(-1)?.message === 'call records are written again')
    await writer.close()
    const inLog = lines.filter(({ message }) => message === 'call record')
    expect(inLog.map(({ fields }) => (fields as { callId: string }).callId)).toEqual(['a', 'b'])
    const [torn, record = '', ...more] = readFileSync(path, 'utf8').split('\n')
    expect([torn, (JSON.parse(record) as { callId: string }).callId, more]).toEqual(['{"torn":', 'c', ['']])
    rmSync(folder, { recursive: true })
  })

  it('that would wait too long for a slow disk are lines of the log, and it is said once', async () => {
    const { log: slow, told, ids } = logOfRecords()
    const folder = mkdtempSync(join(tmpdir(), 'webtrunk-cdr-'))
    const path = join(folder, 'calls.fifo')
    execFileSync('mkfifo', [path])
    // Nobody reads it.
    const writer = new CdrWriter(path, slow)
    const record = { ...cdrOf(traceOf('a').report()), callee: 'x'.repeat(2 ** 20) }
    for (let count = 0; count < 12; count += 1) writer.write({ ...record, callId: `call ${count}` })
    expect(told).toEqual(['call records wait for a slow disk'])
    expect(ids.length).toBeGreaterThan(0)
    const read = text(createReadStream(path))
    await writer.close()
    for (const line of (await read).trim().split('\n'))
      ids.push((JSON.parse(line) as { callId: string }).callId)
    expect(ids.toSorted()).toEqual(Array.from({ length: 12 }, (_, count) => `call ${count}`).toSorted())
    expect(told).toHaveLength(1)
    rmSync(folder, { recursive: true })
  })

  it('have one place to wait after a failure too: a disk that hangs is not opened for each', async () => {
    const { log: slow, told, ids } = logOfRecords()
    const folder = mkdtempSync(join(tmpdir(), 'webtrunk-cdr-'))
    const path = join(folder, 'later', 'calls.fifo')
    let nowMs = 0
    const writer = new CdrWriter(path, slow, () => nowMs)
    await until(() => told.length === 1)
    mkdirSync(join(folder, 'later'))
    execFileSync('mkfifo', [path])
    const record = { ...cdrOf(traceOf('a').report()), callee: 'x'.repeat(2 ** 20) }
    for (let count = 0; count < 12; count += 1) {
      // Nobody reads it, for many times the time after which it is tried again.
      nowMs += RETRY_MS
      writer.write({ ...record, callId: `call ${count}` })
    }
    expect(told).toEqual(['call records cannot be written', 'call records wait for a slow disk'])
    expect(ids.length).toBeGreaterThan(0)
    const read = text(createReadStream(path))
    await writer.close()
    for (const line of (await read).trim().split('\n'))
      ids.push((JSON.parse(line) as { callId: string }).callId)
    expect(ids.toSorted()).toEqual(Array.from({ length: 12 }, (_, count) => `call ${count}`).toSorted())
    rmSync(folder, { recursive: true })
  })

  it('do not keep a stop waiting for a disk that does not answer: they are lines of the log then', async () => {
    lines.length = 0
    const folder = mkdtempSync(join(tmpdir(), 'webtrunk-cdr-'))
    const path = join(folder, 'calls.fifo')
    execFileSync('mkfifo', [path])
    const writer = new CdrWriter(path, log)
    for (const id of ['a', 'b']) writer.write(cdrOf(traceOf(id).report()))
    await writer.close(20)
    expect(lines.map(({ fields }) => (fields as { callId: string }).callId)).toEqual(['a', 'b'])
    // Lets go of the thread that opens it.
    await text(createReadStream(path))
    expect(lines).toHaveLength(2)
    rmSync(folder, { recursive: true })
  })

  it('are lines of the log without a file, or when it cannot be written', async () => {
    lines.length = 0
    new CdrWriter(undefined, log).write(cdrOf(traceOf('a').report()))
    const writer = new CdrWriter('/nowhere/calls.jsonl', log)
    await until(() => lines.length === 2)
    writer.write(cdrOf(traceOf('b').report()))
    await writer.close()
    expect(lines.map(({ message }) => message)).toEqual([
      'call record',
      'call records cannot be written',
      'call record',
    ])
  })
})
