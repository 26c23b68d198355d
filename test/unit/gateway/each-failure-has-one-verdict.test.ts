import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CODES, verdictOf } from '../../../gateway/diagnosis.ts'
import { reasonHeader, refusalHeaders } from '../../../gateway/failure.ts'
import { GATEWAY_CODES, GatewayFailure } from '../../../gateway/gateway-failure.ts'
import { MEDIA_CODES } from '../../../media/failure.ts'
import { SDP_CODES, SdpFailure } from '../../../sdp/failure.ts'
import { SIP_CODES } from '../../../sip/failure.ts'

/** Where the codes stand as data. */
const TABLES = ['sip/failure.ts', 'sdp/failure.ts', 'media/failure.ts', 'gateway/gateway-failure.ts']
const root = new URL('../../../', import.meta.url)

describe('table of failure codes', () => {
  it('holds each code of each folder once', () => {
    const tables = [SIP_CODES, SDP_CODES, MEDIA_CODES, GATEWAY_CODES]
    const all = tables.flatMap((table) => Object.keys(table))
    expect(new Set(all).size).toBe(all.length)
    expect(Object.keys(CODES).sort()).toEqual(all.sort())
  })

  it('gives each code one of the six stages, a final failure status and a text', () => {
    for (const [code, row] of Object.entries(CODES)) {
      expect(row.stage, code).toMatch(/^S[1-6]$/)
      expect(row.status, code).toBeGreaterThanOrEqual(400)
      expect(row.status, code).toBeLessThan(700)
      for (const text of [row.text, row.cause, row.remedy]) expect(text, code).toMatch(/^\S.*[^\s.]$/)
    }
  })

  it('has no code that nothing raises', () => {
    const sources = ['gateway', 'sip', 'sdp', 'media']
      .flatMap((folder) =>
        readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.ts') && !TABLES.includes(`${folder}/${name}`))
          .map((name) => readFileSync(new URL(`${folder}/${name}`, root), 'utf8')),
      )
      .join('\n')
    const idle = Object.keys(CODES).filter((code) => !sources.includes(`'${code}'`))
    // call.internal is what verdictOf makes of an unknown error; it stands in diagnosis.ts.
    expect(idle).toEqual([])
  })
})

describe('verdict', () => {
  it('names stage, code, status, and what was expected and seen', () => {
    const verdict = verdictOf(new SdpFailure('sdp.no-common-codec', { expected: 'PCMU', seen: 'opus' }))
    expect(verdict).toEqual({
      code: 'sdp.no-common-codec',
      stage: 'S2',
      status: 488,
      message: 'no common codec, expected PCMU, seen opus',
      expected: 'PCMU',
      seen: 'opus',
    })
  })

  it("passes a peer's own status on", () => {
    expect(verdictOf(new GatewayFailure('call.refused', { status: 486 })).status).toBe(486)
  })

  it('turns an unknown error into an internal one and tells the caller nothing of it', () => {
    const verdict = verdictOf(new TypeError('secret detail of 192.0.2.7'))
    expect(verdict.code).toBe('call.internal')
    expect(reasonHeader(verdict).value).toBe('SIP;cause=500;text="call.internal"')
  })

  it('says when to try again after an overload', () => {
    const names = refusalHeaders(verdictOf(new GatewayFailure('call.overload'))).map((row) => row.name)
    expect(names).toEqual(['Reason', 'Retry-After'])
  })
})
