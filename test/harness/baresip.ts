import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort, freePortRange } from './ports.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'
import { parseWav, type Wav } from './wav.ts'

export interface BaresipOptions {
  readonly media: 'rtp' | 'sdes' | 'dtls'
  /** The sine it sends, or what it hears. */
  readonly toneHz: number | 'echo'
  /** User part of its address. */
  readonly user?: string
  /** Given, when the peer's configuration had to name it before; the port after it is free too. */
  readonly sipPort?: number
  readonly answer?: 'auto' | 'manual'
  /** In its own spelling, in order of preference. */
  readonly codecs?: string
  /** Milliseconds of each packet it sends and asks for; 20 unless given. */
  readonly ptimeMs?: number
  readonly address?: string
  /** PEM, for TLS at `tlsPort`. */
  readonly identity?: { readonly certificate: string; readonly key: string }
  /** PEM of whom it believes over TLS. */
  readonly ca?: string
  /** Where it registers: `host:port`, and its password there. Its address is then one of that host. */
  readonly registrar?: { readonly address: string; readonly password: string }
}

/** What its control port tells: `CALL_INCOMING`, `CALL_RINGING`, `CALL_ESTABLISHED`, `CALL_CLOSED`, ... */
export interface BaresipEvent {
  readonly type: string
  readonly direction?: string
  readonly peeruri?: string
  readonly param?: string
}

const isEvent = (value: unknown): value is BaresipEvent =>
  typeof value === 'object' && value !== null && 'event' in value && 'type' in value

const configText = (options: {
  readonly address: string
  readonly sipPort: number
  readonly controlPort: number
  readonly rtpPort: number
  readonly folder: string
  readonly toneHz: number | 'echo'
  readonly hasCertificate: boolean
  readonly hasAuthority: boolean
  readonly isMuxed: boolean
}): string =>
  [
    'poll_method epoll',
    `sip_listen ${options.address}:${options.sipPort}`,
    `net_interface ${options.address}`,
    ...(options.hasCertificate ? [`sip_certificate ${options.folder}/identity.pem`] : []),
    ...(options.hasAuthority ? [`sip_cafile ${options.folder}/ca.pem`] : []),
    'call_max_calls 8',
    `rtp_ports ${options.rtpPort}-${options.rtpPort + RTP_PORTS - 1}`,
    `rtcp_mux ${options.isMuxed ? 'yes' : 'no'}`,
    'jitter_buffer_delay 2-10',
    // ausine speaks nothing but 48 kHz stereo (and a call without a source is never answered); baresip resamples. Nothing here touches a real sound device.
    ...(options.toneHz === 'echo'
      ? ['audio_source aubridge,loop', 'audio_player aubridge,loop']
      : [
          `audio_source ausine,${options.toneHz}`,
          'ausrc_srate 48000',
          'ausrc_channels 2',
          'audio_player aubridge,sink',
        ]),
    'audio_alert aubridge,alert',
    'module_path /usr/lib/baresip/modules',
    ...['g711', 'g722', 'opus', 'ausine', 'aubridge', 'sndfile', 'srtp', 'dtls_srtp'].map(
      (name) => `module ${name}.so`,
    ),
    `snd_path ${options.folder}`,
    'module_tmp account.so',
    'module_app ctrl_tcp.so',
    'module_app menu.so',
    `ctrl_tcp_listen ${options.address}:${options.controlPort}`,
    'menu_bell no',
    'ringback_disabled yes',
    '',
  ].join('\n')

const RTP_PORTS = 32

const ENCRYPTION = { rtp: '', sdes: ';mediaenc=srtp-mand', dtls: ';mediaenc=dtls_srtp' } as const

/** Netstrings (`5:hello,`) off the front of `buffer`. */
const takeNetstrings = (buffer: Buffer): { readonly texts: readonly string[]; readonly rest: Buffer } => {
  const texts: string[] = []
  let rest = buffer
  for (;;) {
    const colon = rest.indexOf(':')
    const length = colon < 0 ? Number.NaN : Number(rest.toString('latin1', 0, colon))
    if (!Number.isInteger(length) || rest.length < colon + 1 + length + 1) return { texts, rest }
    texts.push(rest.toString('utf8', colon + 1, colon + 1 + length))
    rest = rest.subarray(colon + 1 + length + 1)
  }
}

/**
 * baresip as a plain SIP peer: no registration, a sine as its microphone, and what it hears in WAV files.
 *
 *     const peer = await Baresip.start({ media: 'rtp', toneHz: 440 })
 *     await peer.dial('sip:alice@127.0.0.1:5060')
 *     await peer.waitForEvent('CALL_ESTABLISHED')
 *     peer.heard() // what the far end said so far
 *     await peer.close()
 */
export class Baresip {
  readonly sipPort: number
  readonly uri: string
  readonly events: BaresipEvent[] = []
  readonly #process: PeerProcess
  readonly #folder: string
  readonly #control: Socket
  #received: Buffer = Buffer.alloc(0)

  static async start(options: BaresipOptions): Promise<Baresip> {
    const address = options.address ?? '127.0.0.1'
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-baresip-'))
    // It opens TLS on the port after its SIP port.
    const sipPort = options.sipPort ?? (await freePortRange(2, address))
    const rtpPort = await freePortRange(RTP_PORTS, address)
    const controlPort = await freePort(address)
    const uri = `sip:${options.user ?? 'trunk'}@${address}:${sipPort}`
    await writeFile(
      join(folder, 'config'),
      configText({
        address,
        sipPort,
        controlPort,
        rtpPort,
        folder,
        toneHz: options.toneHz,
        hasCertificate: options.identity !== undefined,
        hasAuthority: options.ca !== undefined,
        isMuxed: options.media === 'dtls',
      }),
    )
    const { identity, ca } = options
    if (identity !== undefined) {
      await writeFile(join(folder, 'identity.pem'), identity.certificate + identity.key)
    }
    if (ca !== undefined) await writeFile(join(folder, 'ca.pem'), ca)
    const { registrar, user = 'trunk' } = options
    const aor = registrar === undefined ? uri : `sip:${user}@${registrar.address}`
    const registration =
      registrar === undefined ? 'regint=0' : `regint=60;auth_user=${user};auth_pass=${registrar.password}`
    await writeFile(
      join(folder, 'accounts'),
      `<${aor}>;${registration};answermode=${options.answer ?? 'auto'};audio_codecs=${options.codecs ?? 'PCMU/8000/1,PCMA/8000/1'}${ENCRYPTION[options.media]}${options.ptimeMs === undefined ? '' : `;ptime=${options.ptimeMs}`}\n`,
    )
    const child = new PeerProcess('baresip', ['-f', folder])
    try {
      await child.waitForOutput('start', (output) => output.includes('baresip is ready'))
      const control = await connectTo(controlPort, address)
      return new Baresip(child, folder, control, sipPort, uri)
    } catch (error) {
      await child.stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(child: PeerProcess, folder: string, control: Socket, sipPort: number, uri: string) {
    this.#process = child
    this.#folder = folder
    this.#control = control
    this.sipPort = sipPort
    this.uri = uri
    control.on('data', (chunk) => this.#onControl(chunk))
    control.on('error', () => undefined)
  }

  /** Where it listens for TLS. */
  get tlsPort(): number {
    return this.sipPort + 1
  }

  get log(): string {
    return this.#process.output
  }

  dial(uri: string): void {
    this.#command('dial', uri)
  }

  /** With `answer: 'manual'`. */
  accept(): void {
    this.#command('accept')
  }

  hangUp(): void {
    this.#command('hangup')
  }

  /** With a registrar. Its event may have been told before anybody listened. */
  async waitForRegistration(): Promise<void> {
    await this.#process.waitForOutput(
      'the registration',
      (output) => /\{\d+\/\w+\/v\d\} 200 OK/.test(output) || undefined,
    )
  }

  /** The first event of the type since the start. */
  async waitForEvent(type: string, options?: WaitOptions): Promise<BaresipEvent> {
    return waitFor(
      `${type} of baresip`,
      () => this.events.find((event) => event.type === type),
      options,
      () => `${JSON.stringify(this.events, undefined, 1)}\n${this.#process.output}`,
    )
  }

  /** What it has heard in its newest call so far. */
  async heard(): Promise<Wav> {
    const newest = await this.#recording()
    if (newest === undefined) return { sampleRateHz: 8000, samples: new Float32Array(0) }
    return parseWav(await readFile(join(this.#folder, newest)))
  }

  /** Waits until it has heard a second of the tone in its newest call, whenever that was. */
  async waitForTone(frequencyHz: number, options?: WaitOptions): Promise<void> {
    await this.#waitForTone(frequencyHz, undefined, options)
  }

  /** Waits until it has heard a second of the tone beside what it has heard until now. */
  async waitForMoreTone(frequencyHz: number, options?: WaitOptions): Promise<void> {
    const recording = await this.#recording()
    const heardMs = toneOf(await this.heard(), frequencyHz)
    await this.#waitForTone(frequencyHz, { recording, heardMs }, options)
  }

  async #waitForTone(
    frequencyHz: number,
    before: { readonly recording: string | undefined; readonly heardMs: number } | undefined,
    options?: WaitOptions,
  ): Promise<void> {
    let lengthMs = 0
    await waitFor(
      `${frequencyHz} Hz at baresip`,
      async () => {
        const recording = await this.#recording()
        const heard = await this.heard()
        lengthMs = (heard.samples.length * 1000) / heard.sampleRateHz
        const knownMs = before?.recording === recording ? (before?.heardMs ?? 0) : 0
        return toneOf(heard, frequencyHz) >= knownMs + 1_000
      },
      options,
      () => `heard ${lengthMs} ms in all\n${this.log}`,
    )
  }

  /** Of its newest call. */
  async #recording(): Promise<string | undefined> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('-dec.wav'))
    return names.sort().at(-1)
  }

  /** The end without a goodbye: SIGKILL. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL')
  }

  async close(): Promise<void> {
    this.#control.destroy()
    await this.#process.stop('SIGINT', 3_000)
    await rm(this.#folder, { recursive: true, force: true })
  }

  #command(command: string, parameters = ''): void {
    const text = JSON.stringify({ command, params: parameters })
    this.#control.write(`${Buffer.byteLength(text)}:${text},`)
  }

  #onControl(chunk: Buffer): void {
    const { texts, rest } = takeNetstrings(Buffer.concat([this.#received, chunk]))
    this.#received = rest
    for (const text of texts) {
      const value: unknown = JSON.parse(text)
      if (isEvent(value)) this.events.push(value)
    }
  }
}

const toneOf = ({ samples, sampleRateHz }: Wav, frequencyHz: number): number =>
  toneMs(samples, { sampleRateHz, frequencyHz })

const connectTo = (port: number, address: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, address, () => resolve(socket))
    socket.once('error', reject)
  })
