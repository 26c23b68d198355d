import type { DtmfWay } from '../../config/trunk-profiles.ts'
import type { LegRoute } from '../../media/engine.ts'
import type { Codec, KeyFormat } from '../../media/parameters.ts'
import { isSameCodec, type KeysOnLeg, payloadMap } from '../../sdp/codecs.ts'
import { heardKeyFormats, sentKeyFormat } from '../../sdp/telephone-event.ts'
import type { TrunkMedia } from '../trunks/trunk-media.ts'

/** What a route depends on of a leg's media. */
export type RouteMedia =
  | { readonly kind: 'webrtc' }
  | ({ readonly kind: 'rtp' } & Pick<TrunkMedia, 'dtmf' | 'ptimeMs'>)

/** How a leg's peer takes key presses: in its media, or by INFO with this kind of body. */
export type KeyWay =
  | { readonly kind: 'media'; readonly format: KeyFormat }
  | { readonly kind: 'info'; readonly way: Exclude<DtmfWay, 'rfc4733'> }

/** Where our descriptions of a leg have key presses. */
export const keysOn = (media: RouteMedia): KeysOnLeg =>
  media.kind === 'webrtc' || media.dtmf === 'rfc4733' ? 'in-media' : 'in-signalling'

/** A peer whose description has no telephone-event is asked by INFO, whatever is configured: it would hear nothing else. */
export function keyWayOf(media: RouteMedia, remote: readonly Codec[]): KeyWay {
  const format = keysOn(media) === 'in-media' ? sentKeyFormat(remote) : undefined
  if (format !== undefined) return { kind: 'media', format }
  return {
    kind: 'info',
    way: media.kind === 'rtp' && media.dtmf === 'info-dtmf' ? 'info-dtmf' : 'info-relay',
  }
}

/** Packet times that G.711 and G.722 are cut to. */
const MIN_PACKET_MS = 10
const MAX_PACKET_MS = 60

/** A packet time that we can keep to; any other is none. */
export const keptPtimeMs = (ptimeMs: number | undefined): number | undefined =>
  ptimeMs !== undefined && ptimeMs % 10 === 0 && ptimeMs >= MIN_PACKET_MS && ptimeMs <= MAX_PACKET_MS
    ? ptimeMs
    : undefined

/** Packet time of what a leg's peer is sent: what its trunk insists on, else what its description says. */
export const packetTimeTo = (media: RouteMedia, described: number | undefined): number | undefined =>
  keptPtimeMs(media.kind === 'rtp' ? (media.ptimeMs ?? described) : described)

export interface RouteEnd {
  readonly name: string
  readonly media: RouteMedia
  /** In our payload types: what comes. */
  readonly own: readonly Codec[]
  /** In the peer's: what goes. */
  readonly remote: readonly Codec[]
  readonly ptimeMs: number | undefined
}

/**
 * What may come in on a leg: our payload types, which its peer is to send (RFC 3264 §5.1), and its own for the same codecs where ours
 * leave them free, since some send those.
 */
function heardCodecs({ own, remote }: RouteEnd): readonly Codec[] {
  const strays = remote.filter(
    (codec) =>
      own.some((ours) => isSameCodec(ours, codec)) &&
      own.every(({ payloadType }) => payloadType !== codec.payloadType),
  )
  return [...own, ...strays]
}

/** What becomes of what comes in on one leg. */
export function routeBetween(from: RouteEnd, to: RouteEnd): LegRoute {
  const codecs = heardCodecs(from)
  const map = payloadMap(codecs, to.remote)
  if (map.length === 0) return { kind: 'discard' }
  const heard = heardKeyFormats(codecs)
  const way = keyWayOf(to.media, to.remote)
  const keys =
    heard.length === 0 ? undefined : { from: heard, to: way.kind === 'media' ? way.format : undefined }
  return { kind: 'bridge', to: to.name, map, keys, packetMs: packetTimeTo(to.media, to.ptimeMs) }
}
