import type { IceCredentials, SrtpSuite, TransportAddress } from '../../../media/parameters.ts'

/** What both systems encrypt with, so that their figures are of the same work. */
export const SUITE: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80'
/** The system under test has one core, everything else the other. */
export const SYSTEM_CORE = 0
export const GENERATOR_CORE = 1
/** Where the systems have their ports: below those that the kernel gives to others. */
export const RTP_PORTS = { min: 10_000, max: 31_999 } as const

/**
 * What starts a command on one core, before all other work there where we may say so (root): what else the machine does then
 * delays it little. `nice` counts inside a session only, where the kernel shares the machine out by sessions; so it gets one
 * of its own, with a weight. Each of these programs becomes the next: the process that was started is the command.
 */
export function onCore(core: number): readonly string[] {
  const pinned = ['taskset', '-c', String(core)]
  if (process.getuid?.() !== 0) return pinned
  const weigh = '{ echo -19 > /proc/self/autogroup; } 2> /dev/null; exec "$@"'
  return ['setsid', 'sh', '-c', weigh, 'sh', 'nice', '-n', '-19', ...pinned]
}

/** Where the keys of a call's encrypted side come from; see `Scenario`. */
export type FarKeys =
  /** Master key and salt that the peer sends with, in hex. */
  | { readonly kind: 'sdes'; readonly key: string }
  /** The peer is a browser: ICE (where the system does that) and then the handshake's client. */
  | { readonly kind: 'dtls'; readonly fingerprint: string; readonly ice: IceCredentials }

/** The generator's ends of a call. */
export interface FarEnds {
  readonly plain: TransportAddress
  readonly secure: TransportAddress
  readonly keys: FarKeys
}

export type NearKeys =
  | { readonly kind: 'sdes'; readonly key: string }
  /** `ice` undefined: the handshake begins without a check. */
  | { readonly kind: 'dtls'; readonly fingerprint: string; readonly ice: IceCredentials | undefined }

/** The system's ends of a call, for the generator. */
export interface NearEnds {
  readonly plain: TransportAddress
  readonly secure: TransportAddress
  readonly keys: NearKeys
}

/** A system under test: a process of its own on a core of its own. */
export interface MediaSystem {
  readonly pid: number
  open(calls: readonly FarEnds[]): Promise<readonly NearEnds[]>
  /** What it dropped by its own account, by reason. */
  drops(): Promise<Readonly<Record<string, number>>>
  close(): Promise<void>
}
