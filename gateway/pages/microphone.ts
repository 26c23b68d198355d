import { Web } from 'sip.js'

const askBrowser = Web.defaultMediaStreamFactory()

/**
 * The microphone of a call, for SIP.js. A person may think long before they allow it; a call that is over by then has closed its
 * connection, and nobody would switch the microphone off again.
 */
export const openMicrophone: Web.MediaStreamFactory = async (constraints, handler) => {
  const stream = await askBrowser(constraints, handler)
  if (handler.peerConnection !== undefined) return stream
  stopAll(stream)
  throw new Error('the call ended before the microphone was there')
}

/**
 * Goes on with another microphone, if one is sent now. False when there is nothing to replace, or not any more; rejects when the
 * browser does not give it. One that is not taken is switched off.
 */
export async function replaceMicrophone(
  handler: Web.SessionDescriptionHandler,
  constraints: MediaStreamConstraints,
): Promise<boolean> {
  if (senderOf(handler) === undefined) return false
  const stream = await askBrowser(constraints, handler)
  // It may have taken long: the call may be over, or have yet another microphone.
  const sender = senderOf(handler)
  const old = sender?.track
  const [track] = stream.getAudioTracks()
  if (sender === undefined || !old || track === undefined) {
    stopAll(stream)
    return false
  }
  try {
    track.enabled = old.enabled
    await sender.replaceTrack(track)
  } catch (error) {
    stopAll(stream)
    throw error
  }
  handler.localMediaStream.removeTrack(old)
  handler.localMediaStream.addTrack(track)
  old.stop()
  return true
}

const senderOf = (handler: Web.SessionDescriptionHandler): RTCRtpSender | undefined =>
  handler.peerConnection?.getSenders().find(({ track }) => track?.kind === 'audio')

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop()
}
