import type { IceCredentials, SrtpSuite, TransportAddress } from '../../../media/parameters.ts'

/** What both systems encrypt with, so that their figures are of the same work. */
export const SUITE: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80'
/** How the gateway's trunk legs have their ports: see `LegParameters`. */
export type TrunkPorts = 'per-call' | 'shared'
/** Where the systems have their ports: below those that the kernel gives to others. */
export const RTP_PORTS = { min: 10_000, max: 31_999 } as const

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
  /** Has garbage collected, where there is some: what is left is in use. */
  collect(): Promise<void>
  /** What it dropped by its own account, by reason. */
  drops(): Promise<Readonly<Record<string, number>>>
  close(): Promise<void>
}
