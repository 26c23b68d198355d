import type { MediaSession } from '../../media/engine.ts'
import type { Codec } from '../../media/parameters.ts'
import { tonePlayback } from '../../media/tone.ts'
import { chooseCodecs, payloadMap } from '../../sdp/codecs.ts'
import type { Offer } from '../../sdp/session.ts'
import type { ApplicationName } from '../trunks/router.ts'

/** What the built-in applications can answer with: `echo` sends any of our codecs back, `tone` must encode. */
const APPLICATION_CODECS: Readonly<Record<ApplicationName, readonly string[]>> = {
  echo: ['opus', 'G722', 'PCMU', 'PCMA'],
  tone: ['PCMU', 'PCMA'],
}

/** Frequency that `tone` plays; tests and people recognise it. */
export const TONE_HZ = 440
/** Of full scale: -12 dB, clear and not unpleasant. */
const TONE_LEVEL = 0.25

/** The codecs to answer with; throws `sdp.no-common-codec`. */
export function applicationCodecs(application: ApplicationName, offer: Offer): readonly Codec[] {
  return chooseCodecs(offer, APPLICATION_CODECS[application])
}

/** Lets the engine play or echo on the caller's leg; the leg's keys come later, nothing is sent before them. */
export async function startApplication(
  application: ApplicationName,
  session: MediaSession,
  codecs: readonly Codec[],
): Promise<void> {
  if (application === 'echo') {
    await session.setRoute('caller', { kind: 'echo', map: payloadMap(codecs, codecs) })
    return
  }
  const [codec] = codecs
  if (codec === undefined) throw new Error('no codec was chosen')
  await session.play(
    'caller',
    tonePlayback({
      codec: codec.name.toUpperCase() === 'PCMA' ? 'PCMA' : 'PCMU',
      payloadType: codec.payloadType,
      frequencyHz: TONE_HZ,
      level: TONE_LEVEL,
    }),
  )
}
