const STORED_MICROPHONE = 'webtrunk.microphone'
const STORED_SPEAKER = 'webtrunk.speaker'

/** The one the browser or the system has chosen. */
const DEFAULT_ID = ''

export interface DevicesObserver {
  /** `deviceId` is empty for the default. */
  onMicrophone(deviceId: string): void
}

/**
 * The choice of microphone and loudspeaker, kept from visit to visit. Browsers name devices only after the microphone was
 * allowed once: `refresh()` when that has happened.
 */
export class Devices {
  readonly #microphone: HTMLSelectElement
  readonly #speaker: HTMLSelectElement
  readonly #audio: HTMLAudioElement

  constructor(
    microphone: HTMLSelectElement,
    speaker: HTMLSelectElement,
    audio: HTMLAudioElement,
    observer: DevicesObserver,
  ) {
    this.#microphone = microphone
    this.#speaker = speaker
    this.#audio = audio
    // Firefox and Safari choose the loudspeaker themselves, or only lately let pages do it.
    speaker.disabled = !('setSinkId' in audio)
    microphone.addEventListener('change', () => {
      localStorage.setItem(STORED_MICROPHONE, microphone.value)
      observer.onMicrophone(microphone.value)
    })
    speaker.addEventListener('change', () => {
      localStorage.setItem(STORED_SPEAKER, speaker.value)
      this.#useSpeaker()
    })
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.refresh())
  }

  /** What `getUserMedia` is asked for: `ideal`, because a headset that was unplugged must not make calls impossible. */
  get constraints(): MediaStreamConstraints {
    return { audio: audioConstraints(this.#microphone.value), video: false }
  }

  async refresh(): Promise<void> {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? []
    fill(this.#microphone, devices, 'audioinput', 'Microphone', localStorage.getItem(STORED_MICROPHONE))
    fill(this.#speaker, devices, 'audiooutput', 'Loudspeaker', localStorage.getItem(STORED_SPEAKER))
    this.#useSpeaker()
  }

  #useSpeaker(): void {
    if (this.#speaker.disabled) return
    // One that is gone leaves the sound where it was.
    this.#audio.setSinkId(this.#speaker.value).catch(() => undefined)
  }
}

export const audioConstraints = (deviceId: string): MediaTrackConstraints | true =>
  deviceId === DEFAULT_ID ? true : { deviceId: { ideal: deviceId } }

function fill(
  select: HTMLSelectElement,
  devices: readonly MediaDeviceInfo[],
  kind: MediaDeviceKind,
  word: string,
  stored: string | null,
): void {
  const named = devices.filter((device) => device.kind === kind && !['', 'default'].includes(device.deviceId))
  const wanted = stored ?? select.value
  const options = [new Option('As the browser chooses', DEFAULT_ID)]
  for (const [index, { deviceId, label }] of named.entries()) {
    options.push(new Option(label || `${word} ${index + 1}`, deviceId))
  }
  select.replaceChildren(...options)
  select.value = named.some(({ deviceId }) => deviceId === wanted) ? wanted : DEFAULT_ID
}
