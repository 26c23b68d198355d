import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { PeerProcess } from './peer-process.ts'
import { freePortRange } from './ports.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'
import { formatWav } from './wav.ts'

export interface LinphoneOptions {
  readonly media: 'rtp' | 'sdes' | 'dtls'
  /** The sine it sends. */
  readonly toneHz: number
  /** User part of its address. */
  readonly user?: string
  readonly answer?: 'auto' | 'manual'
  /** Codecs and rates it may use, as `PCMU/8000`, in order of preference. */
  readonly codecs?: readonly string[]
  readonly address?: string
  /** More of its configuration file, by section. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, string | number>>>>
}

const ENCRYPTION = { rtp: 'none', sdes: 'srtp', dtls: 'dtls' } as const
const SAMPLE_RATE_HZ = 16_000
const TONE_S = 30

type Sections = Record<string, Readonly<Record<string, string | number>>>

const configText = (sections: Sections): string =>
  Object.entries(sections)
    .map(([name, keys]) => {
      const lines = Object.entries(keys).map(([key, value]) => `${key}=${value}`)
      return [`[${name}]`, ...lines, ''].join('\n')
    })
    .join('\n')

const sine = (frequencyHz: number): Float32Array =>
  Float32Array.from(
    { length: TONE_S * SAMPLE_RATE_HZ },
    (_, index) => 0.3 * Math.sin((2 * Math.PI * frequencyHz * index) / SAMPLE_RATE_HZ),
  )

/** Every codec it has, so that those not wanted are off. */
const CODECS = [
  'opus/48000/2',
  'speex/16000/1',
  'speex/8000/1',
  'PCMU/8000/1',
  'PCMA/8000/1',
  'GSM/8000/1',
  'G722/8000/1',
  'G729/8000/1',
  'speex/32000/1',
]

const codecSections = (wanted: readonly string[]): Sections => {
  const others = CODECS.filter((codec) => !wanted.includes(codec))
  const sections = [...wanted, ...others].map((codec, index) => {
    const [mime = '', rate = '', channels = ''] = codec.split('/')
    return [
      `audio_codec_${index}`,
      { mime, rate, channels, enabled: wanted.includes(codec) ? 1 : 0 },
    ] as const
  })
  return Object.fromEntries(sections)
}

const WAV_HEADER_BYTES = 44

const samplesOf = (wav: Buffer): Float32Array =>
  Float32Array.from(
    { length: Math.max(0, Math.floor((wav.length - WAV_HEADER_BYTES) / 2)) },
    (_, index) => wav.readInt16LE(WAV_HEADER_BYTES + index * 2) / 32_768,
  )

/**
 * Linphone on the command line as a plain SIP phone: no registration, a file of a sine as its microphone, and what it hears in another.
 *
 *     const phone = await Linphone.start({ media: 'sdes', toneHz: 440 })
 *     phone.type('call sip:alice@127.0.0.1:5060')
 *     await phone.waitForOutput('the call', /Call 1 .* connected/)
 *     await phone.waitForTone(1000)
 *     await phone.close()
 */
export class Linphone {
  readonly sipPort: number
  readonly uri: string
  readonly #process: PeerProcess
  readonly #folder: string

  static async start(options: LinphoneOptions): Promise<Linphone> {
    const { address = '127.0.0.1', user = '9100', codecs = ['PCMU/8000/1', 'PCMA/8000/1'] } = options
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-linphone-'))
    // UDP and TCP, then TLS.
    const sipPort = await freePortRange(8, address)
    const uri = `sip:${user}@${address}:${sipPort}`
    const sections: Sections = {
      sip: {
        bind_address: address,
        sip_port: sipPort,
        sip_tcp_port: sipPort,
        sip_tls_port: sipPort + 1,
        media_encryption: ENCRYPTION[options.media],
        media_encryption_mandatory: options.media === 'rtp' ? 0 : 1,
        use_ipv6: 0,
        ipv6_migration_done: 1,
        guess_hostname: 0,
        contact: uri,
      },
      rtp: { bind_address: address, audio_rtp_port: sipPort + 2 },
      sound: { echocancellation: 0, remote_ring: '' },
      video: { capture: 0, display: 0, automatically_initiate: 0, automatically_accept: 0 },
      ...codecSections(codecs),
    }
    for (const [name, keys] of Object.entries(options.config ?? {}))
      sections[name] = { ...sections[name], ...keys }
    // Without it no core is started.
    await mkdir(join(folder, '.local', 'share', 'linphone'), { recursive: true })
    await writeFile(join(folder, 'rc'), configText(sections))
    await writeFile(join(folder, 'tone.wav'), formatWav(sine(options.toneHz), SAMPLE_RATE_HZ))
    const files = { config: join(folder, 'rc'), log: join(folder, 'log') }
    const child = new PeerProcess(
      'linphonec',
      [...(options.answer === 'manual' ? [] : ['-a']), '-d', '6', '-c', files.config, '-l', files.log],
      {
        env: { ...process.env, HOME: folder },
        hasInput: true,
      },
    )
    try {
      for (const line of [
        'soundcard use files',
        `play ${folder}/tone.wav`,
        `record ${folder}/heard.wav`,
        'ports',
      ])
        child.type(line)
      await child.waitForOutput('start', (output) => output.includes(`sip port = ${sipPort}`))
      return new Linphone(child, folder, sipPort, uri)
    } catch (error) {
      await child.stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(child: PeerProcess, folder: string, sipPort: number, uri: string) {
    this.#process = child
    this.#folder = folder
    this.sipPort = sipPort
    this.uri = uri
  }

  get output(): string {
    return this.#process.output
  }

  async log(): Promise<string> {
    return readFile(join(this.#folder, 'log'), 'utf8')
  }

  /** A command, as a person types it. */
  type(line: string): void {
    this.#process.type(line)
  }

  async waitForOutput(what: string, pattern: RegExp, options?: WaitOptions): Promise<string> {
    return this.#process.waitForOutput(what, (output) => pattern.exec(output)?.[0], options)
  }

  /** Of the tone, in all its calls. The length in its header is written when a call ends. */
  async heardMs(frequencyHz: number): Promise<number> {
    const wav = await readFile(join(this.#folder, 'heard.wav')).catch(() => Buffer.alloc(0))
    const rates = [...(await this.log()).matchAll(/-->MSFileRec:\w+ from rate \[\d+\] to rate \[(\d+)\]/g)]
    const sampleRateHz = Number(rates.at(-1)?.[1] ?? 8_000)
    return toneMs(samplesOf(wav), { sampleRateHz, frequencyHz })
  }

  async waitForTone(frequencyHz: number, durationMs = 1_000, options?: WaitOptions): Promise<void> {
    await waitFor(
      `${frequencyHz} Hz at linphone`,
      async () => (await this.heardMs(frequencyHz)) >= durationMs,
      options,
      () => this.output,
    )
  }

  /** Waits until it has heard so much of the tone beside what it has heard until now. */
  async waitForMoreTone(frequencyHz: number, durationMs = 1_000, options?: WaitOptions): Promise<void> {
    await this.waitForTone(frequencyHz, (await this.heardMs(frequencyHz)) + durationMs, options)
  }

  /** Without a goodbye, which would take it a second. */
  async close(): Promise<void> {
    await this.#process.stop('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }
}
