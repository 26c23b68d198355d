import { describe, expect, test } from 'vitest'
import {
  IceLite,
  type IceOutput,
  type MediaPath,
  makeIceCredentials,
} from '../../../../media/ice/ice-lite.ts'
import {
  formatStun,
  parseStun,
  STUN_ATTRIBUTE,
  type StunClass,
  verifyIntegrity,
} from '../../../../media/ice/stun.ts'
import { stunErrorCode, stunMappedAddress } from '../../../harness/stun-answers.ts'

const LOCAL = { ufrag: 'localfrag', pwd: 'local-password-of-24-chars' }
const REMOTE = { ufrag: 'peer', pwd: 'remote-password-of-24-char' }
const CONTROLLING = [STUN_ATTRIBUTE.iceControlling, Buffer.alloc(8, 7)] as const
const NOMINATE = [STUN_ATTRIBUTE.useCandidate, Buffer.alloc(0)] as const

function agent(): IceLite {
  return new IceLite({ local: LOCAL, checkTimeoutMs: 10_000, consentTimeoutMs: 30_000 })
}

/** An agent which knows its peer's description since time 0. */
function knowing(): IceLite {
  const ice = agent()
  ice.handle({ kind: 'remote', credentials: REMOTE }, 0)
  return ice
}

function path(port: number): MediaPath {
  return { socket: 0, remote: { address: '192.0.2.9', port } }
}

interface CheckOptions {
  readonly username?: string
  readonly password?: string | undefined
  readonly class?: StunClass
  readonly attributes?: readonly (readonly [number, Uint8Array])[]
}

function check(options: CheckOptions = {}): Buffer {
  const username = options.username ?? `${LOCAL.ufrag}:${REMOTE.ufrag}`
  return formatStun({
    class: options.class ?? 'request',
    transactionId: Buffer.alloc(12, 5),
    attributes: [
      ...(username === '' ? [] : [[STUN_ATTRIBUTE.username, Buffer.from(username)] as const]),
      ...(options.attributes ?? [CONTROLLING]),
    ],
    password: 'password' in options ? options.password : LOCAL.pwd,
  })
}

function feed(ice: IceLite, bytes: Buffer, nowMs: number, port = 1000): readonly IceOutput[] {
  return ice.handle({ kind: 'stun', bytes, path: path(port) }, nowMs)
}

function kinds(outputs: readonly IceOutput[]): readonly string[] {
  return outputs.map((one) => (one.kind === 'dropped' ? one.reason : one.kind))
}

/** The response among `outputs`, parsed. */
function response(outputs: readonly IceOutput[]) {
  const sent = outputs.find((one) => one.kind === 'send')
  return sent && parseStun(sent.bytes)
}

function errorCode(outputs: readonly IceOutput[]): number | undefined {
  const message = response(outputs)
  return message && stunErrorCode(message)
}

function failureAt(ice: IceLite, nowMs: number): string | undefined {
  const [output] = ice.handle({ kind: 'timeout' }, nowMs)
  return output?.kind === 'failed' ? output.failure.code : undefined
}

describe('a good check', () => {
  test('is answered, admitted and reported once', () => {
    const ice = knowing()
    const outputs = feed(ice, check(), 1)
    expect(kinds(outputs)).toEqual(['send', 'admit', 'checked'])
    const message = response(outputs)
    expect(message && stunMappedAddress(message)).toEqual(path(1000).remote)
    expect(message && verifyIntegrity(message, LOCAL.pwd)).toBe(true)
    expect(kinds(feed(ice, check(), 2))).toEqual(['send', 'admit'])
    expect(outputs).toContainEqual({ kind: 'admit', path: path(1000), nominated: false })
  })

  test('nominates; the latest nomination holds, whatever its priority', () => {
    const ice = knowing()
    const nominating = check({ attributes: [CONTROLLING, NOMINATE] })
    expect(kinds(feed(ice, nominating, 1, 1000))).toEqual(['send', 'admit', 'checked', 'nominated'])
    expect(kinds(feed(ice, nominating, 2, 1000))).toEqual(['send', 'admit'])
    expect(kinds(feed(ice, nominating, 3, 2000))).toEqual(['send', 'admit', 'nominated'])
    expect(ice.nominated).toEqual(path(2000))
    feed(ice, check(), 4, 1000)
    expect(ice.nominated).toEqual(path(2000))
  })

  test('may come before the description of the peer', () => {
    const ice = agent()
    expect(kinds(feed(ice, check(), 1))).toEqual(['send', 'admit', 'checked'])
    ice.handle({ kind: 'remote', credentials: REMOTE }, 5)
    expect(kinds(feed(ice, check(), 6))).toEqual(['send', 'admit'])
  })

  test('needs no role attribute', () => {
    expect(kinds(feed(knowing(), check({ attributes: [] }), 1))).toContain('admit')
  })
})

describe('a bad check', () => {
  test.each([
    ['a wrong password', { password: 'something else altogether' }, 'stun.bad-integrity', 401],
    ['a wrong peer fragment', { username: `${LOCAL.ufrag}:other` }, 'stun.wrong-username', 401],
    ['a wrong local fragment', { username: `other:${REMOTE.ufrag}` }, 'stun.wrong-username', 401],
    ['no USERNAME', { username: '' }, 'stun.missing-integrity', 400],
    ['no integrity', { password: undefined }, 'stun.missing-integrity', 400],
  ] as const)('with %s is refused and not admitted', (_, options, reason, code) => {
    const ice = knowing()
    const outputs = feed(ice, check(options), 1)
    expect(kinds(outputs)).toEqual([reason, 'send'])
    expect(errorCode(outputs)).toBe(code)
    expect(response(outputs)?.integrity).toBe('absent')
    expect(ice.isChecked).toBe(false)
  })

  test('before the description still needs our password', () => {
    expect(kinds(feed(agent(), check({ password: REMOTE.pwd }), 1))).toEqual(['stun.bad-integrity', 'send'])
    expect(kinds(feed(agent(), check({ username: LOCAL.ufrag }), 1))).toEqual(['stun.wrong-username', 'send'])
  })

  test('is answered 10 times at once and 5 times a second', () => {
    const ice = knowing()
    const bad = check({ password: 'wrong' })
    const sent = (nowMs: number, count: number) =>
      Array.from({ length: count }, () => feed(ice, bad, nowMs)).filter((one) => kinds(one).includes('send'))
    expect(sent(0, 50)).toHaveLength(10)
    expect(sent(1000, 50)).toHaveLength(5)
    expect(kinds(feed(ice, bad, 1000))).toEqual(['stun.bad-integrity'])
    expect(kinds(feed(ice, check(), 1000)), 'a good one is answered all the same').toContain('send')
  })

  test('with an unknown attribute gets 420 with its type', () => {
    const outputs = feed(knowing(), check({ attributes: [[0x7fff, Buffer.alloc(4)], CONTROLLING] }), 1)
    expect(kinds(outputs)).toEqual(['stun.unknown-attribute', 'send'])
    expect(errorCode(outputs)).toBe(420)
    const message = response(outputs)
    expect(message?.attributes.get(STUN_ATTRIBUTE.unknownAttributes)).toEqual(Buffer.from('7fff', 'hex'))
    expect(message && verifyIntegrity(message, LOCAL.pwd)).toBe(true)
  })

  test('of a peer that thinks it is controlled gets 487', () => {
    const outputs = feed(
      knowing(),
      check({ attributes: [[STUN_ATTRIBUTE.iceControlled, Buffer.alloc(8)]] }),
      1,
    )
    expect(kinds(outputs)).toEqual(['stun.role-conflict', 'send'])
    expect(errorCode(outputs)).toBe(487)
  })

  test('that is no STUN request is dropped in silence', () => {
    const ice = knowing()
    expect(kinds(feed(ice, Buffer.from('garbage'), 1))).toEqual(['stun.malformed'])
    expect(kinds(feed(ice, check({ class: 'success' }), 1))).toEqual(['stun.not-a-request'])
    expect(kinds(feed(ice, check({ class: 'indication' }), 1))).toEqual([])
    const wrongCrc = check()
    wrongCrc.writeUInt8(wrongCrc.readUInt8(wrongCrc.length - 1) ^ 1, wrongCrc.length - 1)
    expect(kinds(feed(ice, wrongCrc, 1))).toEqual(['stun.malformed'])
  })
})

describe('time', () => {
  test('does not run before the description of the peer is known', () => {
    expect(agent().deadlineMs).toBeUndefined()
  })

  test('no check: ice.no-check-seen at the deadline and not before', () => {
    const ice = knowing()
    expect(ice.deadlineMs).toBe(10_000)
    expect(failureAt(ice, 9999)).toBeUndefined()
    expect(failureAt(ice, 10_000)).toBe('ice.no-check-seen')
    expect(ice.deadlineMs).toBeUndefined()
    expect(failureAt(ice, 20_000)).toBeUndefined()
  })

  test('the same description again does not move the deadline', () => {
    const ice = knowing()
    ice.handle({ kind: 'remote', credentials: REMOTE }, 5000)
    expect(ice.deadlineMs).toBe(10_000)
  })

  test('only checks with a wrong password: ice.bad-integrity', () => {
    const ice = knowing()
    feed(ice, check({ password: 'wrong' }), 100)
    expect(failureAt(ice, 10_000)).toBe('ice.bad-integrity')
  })

  test.each([
    [
      'ice.check-refused',
      { attributes: [[STUN_ATTRIBUTE.iceControlled, Buffer.alloc(8)]] },
      'stun.role-conflict',
    ],
    ['ice.check-refused', { attributes: [[0x7fff, Buffer.alloc(4)]] }, 'stun.unknown-attribute'],
    ['ice.no-check-seen', { class: 'success' }, 'stun.not-a-request'],
  ] as const)('what came and was no check to take: %s, and it is told why', (code, options, seen) => {
    const ice = knowing()
    feed(ice, check(options), 100)
    expect(ice.handle({ kind: 'timeout' }, 10_000)).toMatchObject([{ failure: { code, seen } }])
  })

  test('what is no check does not hide why checks were refused', () => {
    const ice = knowing()
    feed(ice, check({ password: 'wrong' }), 100)
    feed(ice, check({ class: 'success' }), 200)
    expect(failureAt(ice, 10_000)).toBe('ice.bad-integrity')
  })

  test('authenticated checks keep consent, others do not: ice.consent-lost', () => {
    const ice = knowing()
    feed(ice, check(), 1000)
    expect(ice.deadlineMs).toBe(31_000)
    feed(ice, check(), 20_000)
    expect(ice.deadlineMs).toBe(50_000)
    feed(ice, check({ password: 'wrong' }), 40_000)
    expect(failureAt(ice, 49_999)).toBeUndefined()
    expect(failureAt(ice, 50_000)).toBe('ice.consent-lost')
    expect(kinds(feed(ice, check(), 50_001)), 'nothing is admitted after the end').toEqual([])
  })

  // A process that was stopped for longer (SIGSTOP, a machine that moved) hung up every call as it went on.
  test('a standstill of ours is no silence of the peer, which gets the time to check again', () => {
    const [patient, gone] = [knowing(), knowing()]
    for (const ice of [patient, gone]) {
      feed(ice, check(), 1000)
      expect(failureAt(ice, 61_000)).toBeUndefined()
      expect(ice.deadlineMs).toBe(68_000)
    }
    feed(patient, check(), 67_000)
    expect(patient.deadlineMs).toBe(97_000)
    expect(failureAt(patient, 68_000)).toBeUndefined()
    expect(failureAt(gone, 68_000)).toBe('ice.consent-lost')
  })

  test('a timeout that is late by no more than a busy machine makes it is no standstill', () => {
    const ice = knowing()
    feed(ice, check(), 1000)
    expect(failureAt(ice, 31_500)).toBe('ice.consent-lost')
  })
})

test('our credentials are long, random and made of ice-chars', () => {
  const { ufrag, pwd } = makeIceCredentials()
  expect(ufrag).toMatch(/^[A-Za-z0-9+/]{8,256}$/)
  expect(pwd).toMatch(/^[A-Za-z0-9+/]{22,256}$/)
  expect(makeIceCredentials().ufrag).not.toBe(ufrag)
})

describe('an ICE restart', () => {
  const NEW_REMOTE = { ufrag: 'peer2', pwd: 'another-remote-password-24' }

  function restarting(nowMs = 1000): IceLite {
    const ice = knowing()
    feed(ice, check({ attributes: [CONTROLLING, NOMINATE] }), nowMs - 1)
    ice.handle({ kind: 'remote', credentials: NEW_REMOTE }, nowMs)
    return ice
  }

  /** With the credentials of now. */
  function newCheck(ice: IceLite, options: CheckOptions = {}): Buffer {
    return check({ username: `${ice.local.ufrag}:${NEW_REMOTE.ufrag}`, password: ice.local.pwd, ...options })
  }

  test('is another ufrag or password; the same description again is none', () => {
    const ice = knowing()
    expect(ice.handle({ kind: 'remote', credentials: { ...REMOTE } }, 1)).toEqual([])
    expect(ice.local).toBe(LOCAL)
    for (const credentials of [{ ...REMOTE, pwd: 'only-the-password-is-new' }, NEW_REMOTE]) {
      const restarted = knowing()
      const [output] = restarted.handle({ kind: 'remote', credentials }, 1)
      expect(restarted.local.ufrag).not.toBe(LOCAL.ufrag)
      expect(restarted.local.pwd).not.toBe(LOCAL.pwd)
      expect(output).toEqual({ kind: 'ufrags', ufrags: [restarted.local.ufrag, LOCAL.ufrag] })
    }
  })

  test('old checks go on until the first new one, which ends them', () => {
    const ice = restarting()
    expect(kinds(feed(ice, check(), 2000))).toEqual(['send', 'admit'])
    expect(verifyIntegrity(response(feed(ice, check(), 2000)) as never, LOCAL.pwd)).toBe(true)
    const outputs = feed(ice, newCheck(ice), 3000)
    expect(outputs[0]).toEqual({ kind: 'ufrags', ufrags: [ice.local.ufrag] })
    expect(kinds(outputs)).toEqual(['ufrags', 'send', 'admit', 'checked'])
    expect(verifyIntegrity(response(outputs) as never, ice.local.pwd)).toBe(true)
    expect(kinds(feed(ice, newCheck(ice), 3001))).toEqual(['send', 'admit'])
    expect(kinds(feed(ice, check(), 3002))).toEqual(['stun.wrong-username', 'send'])
  })

  test('needs the password that goes with the ufrag, old or new', () => {
    const ice = restarting()
    const mixed = [newCheck(ice, { password: LOCAL.pwd }), check({ password: ice.local.pwd })]
    for (const bytes of mixed) expect(kinds(feed(ice, bytes, 2000))).toEqual(['stun.bad-integrity', 'send'])
    expect(kinds(feed(ice, check(), 2001)), 'nothing has ended').toEqual(['send', 'admit'])
    const foreign = newCheck(ice, { username: `${ice.local.ufrag}:${REMOTE.ufrag}` })
    expect(kinds(feed(ice, foreign, 2002))).toEqual(['stun.wrong-username', 'send'])
  })

  test("our old ufrag with the peer's new one is accepted", () => {
    const ice = restarting()
    const bytes = check({ username: `${LOCAL.ufrag}:${NEW_REMOTE.ufrag}` })
    expect(kinds(feed(ice, bytes, 2000))).toEqual(['send', 'admit', 'checked'])
    expect(kinds(feed(ice, bytes, 2001))).toEqual(['send', 'admit'])
    expect(ice.isChecked).toBe(true)
  })

  test('forgets check and nomination until the new ones; given up, they are back', () => {
    const ice = restarting()
    feed(ice, check({ attributes: [CONTROLLING, NOMINATE] }), 2000, 1001)
    expect([ice.isChecked, ice.nominated]).toEqual([false, undefined])
    ice.handle({ kind: 'remote', credentials: REMOTE }, 2001)
    expect([ice.isChecked, ice.nominated]).toEqual([true, path(1001)])
    ice.handle({ kind: 'remote', credentials: NEW_REMOTE }, 2002)
    const outputs = feed(ice, newCheck(ice, { attributes: [CONTROLLING, NOMINATE] }), 2003, 1002)
    expect(kinds(outputs)).toEqual(['ufrags', 'send', 'admit', 'checked', 'nominated'])
    expect([ice.isChecked, ice.nominated]).toEqual([true, path(1002)])
  })

  test('gives the peer the time of a new one, and consent by old checks goes on', () => {
    const late = restarting(30_000)
    late.handle({ kind: 'remote', credentials: REMOTE }, 30_000)
    expect(late.deadlineMs).toBe(59_999)
    const cutOff = knowing()
    feed(cutOff, check(), 0)
    cutOff.handle({ kind: 'remote', credentials: NEW_REMOTE }, 29_000)
    expect(cutOff.deadlineMs).toBe(39_000)
    feed(cutOff, check(), 38_000)
    expect(cutOff.deadlineMs).toBe(68_000)
    expect(failureAt(cutOff, 67_999)).toBeUndefined()
    expect(failureAt(cutOff, 68_000)).toBe('ice.consent-lost')
  })

  test('before the first check: its time runs anew', () => {
    const ice = knowing()
    ice.handle({ kind: 'remote', credentials: NEW_REMOTE }, 9000)
    expect(failureAt(ice, 18_999)).toBeUndefined()
    expect(kinds(feed(ice, newCheck(ice), 18_999))).toEqual(['ufrags', 'send', 'admit', 'checked'])
    expect(ice.deadlineMs).toBe(48_999)
  })

  test('a second one before a check: two pairs at most, the one in use stays', () => {
    const ice = restarting()
    const middle = newCheck(ice)
    const third = { ufrag: 'peer3', pwd: 'a-third-remote-password-24' }
    const outputs = ice.handle({ kind: 'remote', credentials: third }, 2000)
    expect(outputs).toEqual([{ kind: 'ufrags', ufrags: [ice.local.ufrag, LOCAL.ufrag] }])
    expect(kinds(feed(ice, middle, 2001))).toEqual(['stun.wrong-username', 'send'])
    expect(kinds(feed(ice, check(), 2002))).toEqual(['send', 'admit'])
    const newest = check({ username: `${ice.local.ufrag}:peer3`, password: ice.local.pwd })
    expect(kinds(feed(ice, newest, 2003))).toEqual(['ufrags', 'send', 'admit', 'checked'])
  })

  test('that is given up leaves the old credentials', () => {
    const ice = restarting()
    const abandoned = newCheck(ice)
    expect(ice.handle({ kind: 'remote', credentials: REMOTE }, 2000)).toEqual([
      { kind: 'ufrags', ufrags: [LOCAL.ufrag] },
    ])
    expect(ice.local).toBe(LOCAL)
    expect(kinds(feed(ice, abandoned, 2001))).toEqual(['stun.wrong-username', 'send'])
    expect(kinds(feed(ice, check(), 2002))).toEqual(['send', 'admit'])
  })

  test('makes credentials within ice-chars, none twice', () => {
    const ice = knowing()
    const seen = new Set([LOCAL.ufrag])
    for (let count = 0; count < 100; count++) {
      ice.handle({ kind: 'remote', credentials: { ufrag: `peer${count}`, pwd: NEW_REMOTE.pwd } }, count)
      expect(`${ice.local.ufrag}${ice.local.pwd}`).toMatch(/^[A-Za-z0-9+/]{36}$/)
      seen.add(ice.local.ufrag)
    }
    expect(seen.size).toBe(101)
  })
})
