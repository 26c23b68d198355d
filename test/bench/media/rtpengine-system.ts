import { Rtpengine } from '../../harness/rtpengine.ts'
import { CORES, onCore } from './cores.ts'
import {
  type FarEnds,
  type FarKeys,
  type MediaSystem,
  type NearEnds,
  type NearKeys,
  RTP_PORTS,
  SUITE,
} from './system.ts'

/** Commands under way at once: its answers come one by one, and a core is waiting. */
const WIDTH = 16

/** rtpengine without its kernel module, driven as a SIP proxy drives it. */
export class RtpengineSystem implements MediaSystem {
  readonly #rtpengine: Rtpengine

  static async start(): Promise<RtpengineSystem> {
    const ports = { min: RTP_PORTS.min, max: RTP_PORTS.max }
    return new RtpengineSystem(await Rtpengine.start({ launcher: onCore(CORES.system), ports, logLevel: 4 }))
  }

  private constructor(rtpengine: Rtpengine) {
    this.#rtpengine = rtpengine
  }

  get pid(): number {
    return this.#rtpengine.pid
  }

  async open(calls: readonly FarEnds[]): Promise<readonly NearEnds[]> {
    const opened: NearEnds[] = []
    let next = 0
    const worker = async (): Promise<void> => {
      for (let index = next++; index < calls.length; index = next++) {
        const call = calls[index]
        if (call !== undefined) opened[index] = await this.#open(index, call)
      }
    }
    await Promise.all(Array.from({ length: WIDTH }, worker))
    return opened
  }

  /** It has none. */
  async collect(): Promise<void> {}

  /** It counts none. */
  async drops(): Promise<Readonly<Record<string, number>>> {
    return {}
  }

  close(): Promise<void> {
    return this.#rtpengine.close()
  }

  async #open(index: number, { plain, secure, keys }: FarEnds): Promise<NearEnds> {
    const call = { 'call-id': `bench-${index}`, 'from-tag': 'plain', ICE: 'remove' }
    const forSecure = await this.#rtpengine.describe('offer', {
      ...call,
      sdp: describe(plain, 'RTP/AVP'),
      ...SECURED[keys.kind],
    })
    const { near, attributes } =
      keys.kind === 'sdes' ? answerSdes(forSecure, keys) : answerDtls(forSecure, keys)
    const forPlain = await this.#rtpengine.describe('answer', {
      ...call,
      'to-tag': 'secure',
      sdp: describe(secure, PROTOCOLS[keys.kind], attributes),
    })
    return { plain: audioOf(forPlain), secure: audioOf(forSecure), keys: near }
  }
}

const PROTOCOLS = { sdes: 'RTP/SAVP', dtls: 'UDP/TLS/RTP/SAVP' } as const
const SECURED = {
  sdes: { 'transport-protocol': PROTOCOLS.sdes, DTLS: 'off' },
  dtls: { 'transport-protocol': PROTOCOLS.dtls, SDES: ['off'], 'rtcp-mux': ['offer', 'require'] },
} as const

interface Answered {
  readonly near: NearKeys
  /** What the answer says of keys. */
  readonly attributes: readonly string[]
}

/** It offers all suites that it knows; the answer takes one, by its tag. */
function answerSdes(sdp: string, { key }: FarKeys & { readonly kind: 'sdes' }): Answered {
  const [, tag, inline] = new RegExp(`a=crypto:(\\d+) ${SUITE} inline:([A-Za-z0-9+/=]+)`).exec(sdp) ?? []
  if (tag === undefined || inline === undefined) throw new Error(`no key of ${SUITE} in ${sdp}`)
  return {
    near: { kind: 'sdes', key: Buffer.from(inline, 'base64').toString('hex') },
    attributes: [`a=crypto:${tag} ${SUITE} inline:${Buffer.from(key, 'hex').toString('base64')}`],
  }
}

/** Without ICE: the handshake begins at once. */
function answerDtls(sdp: string, { fingerprint }: FarKeys & { readonly kind: 'dtls' }): Answered {
  const own = /^a=fingerprint:sha-256 (\S+)/im.exec(sdp)?.[1]
  if (own === undefined) throw new Error(`no fingerprint in ${sdp}`)
  return {
    near: { kind: 'dtls', fingerprint: own.toUpperCase(), ice: undefined },
    attributes: ['a=setup:active', `a=fingerprint:sha-256 ${fingerprint}`, 'a=rtcp-mux'],
  }
}

function describe(
  { address, port }: { readonly address: string; readonly port: number },
  protocol: string,
  attributes: readonly string[] = [],
): string {
  return [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} ${protocol} 0`,
    'a=rtpmap:0 PCMU/8000',
    ...attributes,
    'a=sendrecv',
    '',
  ].join('\r\n')
}

function audioOf(sdp: string): { readonly address: string; readonly port: number } {
  const address = /^c=IN IP4 (\S+)/m.exec(sdp)?.[1]
  const port = /^m=audio (\d+) /m.exec(sdp)?.[1]
  if (address === undefined || port === undefined) throw new Error(`no audio in ${sdp}`)
  return { address, port: Number(port) }
}
