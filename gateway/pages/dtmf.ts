/** How long a key press sounds where it is sent by INFO, which has no length of its own. */
const DIGIT_MS = 160
const DIGIT_GAP_MS = 70

/** `RTCPeerConnection`, as far as keys go. */
interface Connection {
  getSenders(): readonly {
    readonly dtmf: {
      readonly toneBuffer: string
      insertDTMF(tones: string, durationMs: number, gapMs: number): void
    } | null
  }[]
}

/** Sends one key in the audio stream (RFC 4733). False where the far end does not take that. */
export function sendInAudio(connection: Connection, digit: string): boolean {
  const dtmf = connection.getSenders().find((sender) => sender.dtmf)?.dtmf
  if (!dtmf) return false
  try {
    // The tones replace those that wait while one sounds (WebRTC 1.0 §7.2), so those are said again.
    dtmf.insertDTMF(dtmf.toneBuffer + digit, DIGIT_MS, DIGIT_GAP_MS)
    return true
  } catch {
    return false
  }
}

/** The body of an INFO that tells the key. */
export const infoOf = (digit: string) => ({
  contentDisposition: 'render',
  contentType: 'application/dtmf-relay',
  content: `Signal=${digit}\r\nDuration=${DIGIT_MS}\r\n`,
})
