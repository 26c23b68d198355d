import type { Invitation } from 'sip.js'
import { Account, type RegistrationState } from './account.ts'
import {
  closePanels,
  isCode,
  showCall,
  showFindings,
  showLadder,
  showNoCall,
  showTimer,
  togglePanel,
} from './call-view.ts'
import { Devices } from './devices.ts'
import { GatewayLadder } from './gateway-ladder.ts'
import { KeyPad } from './key-pad.ts'
import { LevelMeter } from './level-meter.ts'
import { Loudspeaker } from './loudspeaker.ts'
import { PhoneCall } from './phone-call.ts'
import { thisPage } from './place.ts'
import { RingTone } from './ring-tone.ts'
import { problemOf, showProblem, view } from './view.ts'

/** The two users of the demo, who may call each other. */
const DEMO_USERS: readonly string[] = ['alice', 'bob']

const REGISTRATION_WORDS: Readonly<Record<RegistrationState, string>> = {
  'signed-out': 'Signed out',
  connecting: 'Signing in…',
  registered: 'Ready',
  reconnecting: 'Reconnecting…',
  failed: 'Not signed in',
}

/** `#user=alice&password=...`; `undefined` without one. The password must not stay in the address bar or the history. */
const takeFragment = (): { readonly user: string; readonly password: string } | undefined => {
  const fragment = new URLSearchParams(location.hash.slice(1))
  const user = fragment.get('user')
  if (user === null) return undefined
  history.replaceState(null, '', location.pathname + location.search)
  return { user, password: fragment.get('password') ?? '' }
}

const audioContext = new AudioContext()
const ringTone = new RingTone(audioContext)
const loudspeaker = new Loudspeaker(view.audio, showProblem)
const levelIn = new LevelMeter(view.levelIn, audioContext)
const levelOut = new LevelMeter(view.levelOut, audioContext)

let account: Account | undefined
let registration: RegistrationState = 'signed-out'
/** The call on the screen. */
let call: PhoneCall | undefined
/** The call on hold behind it, while the one on the screen asks a third party. */
let parked: PhoneCall | undefined
/** The call on hold that is being joined with the one on the screen: the gateway then ends both, in either order. */
let joining: PhoneCall | undefined
let timer: number | undefined

const keyPad = new KeyPad(view.keyPad, view.pressed, (key) => call?.press(key))
const gatewayLadder = new GatewayLadder(() => account?.ladderTicket, isCode, showFindings)
const devices = new Devices(view.microphone, view.speaker, view.audio, {
  onMicrophone: (deviceId) => {
    for (const live of [call, parked]) {
      live?.useMicrophone(deviceId).catch((error: unknown) => showProblem(problemOf(error)))
    }
  },
})

const showStatus = (): void => {
  const words = REGISTRATION_WORDS[registration]
  view.status.textContent = registration === 'registered' ? `${words} · ${view.user.value.trim()}` : words
}

const showRegistration = (state: RegistrationState, text: string): void => {
  // A refreshed registration is no news: what is on the screen stays.
  if (state === 'registered' && registration === state) return
  document.body.dataset.registration = state
  registration = state
  showStatus()
  const isSignedIn = state === 'registered' || state === 'reconnecting'
  view.signIn.hidden = isSignedIn
  view.phone.hidden = !isSignedIn
  if (state === 'registered' && call === undefined) view.number.focus()
  if (state === 'registered') void devices.refresh()
  showProblem(text)
}

const showOtherUser = (user: string): void => {
  const other = DEMO_USERS.includes(user) ? DEMO_USERS.find((name) => name !== user) : undefined
  view.otherUser.hidden = other === undefined
  if (other === undefined) return
  view.otherUser.dataset.dial = other
  view.otherUser.textContent = `Call ${other}`
}

const ring = ({ state, hasEarlyMedia }: PhoneCall): void => {
  if (state === 'incoming') ringTone.start('incoming')
  else if (state === 'ringing' && !hasEarlyMedia) ringTone.start('ringback')
  else ringTone.stop()
}

const listenTo = (local: MediaStream, remote: MediaStream): void => {
  loudspeaker.start(remote)
  levelIn.start(remote)
  levelOut.start(local)
}

const stopListening = (): void => {
  levelIn.stop()
  levelOut.stop()
  ringTone.stop()
  loudspeaker.stop()
}

/** The call on the screen is over: the one behind it comes back, or nothing is left. */
const endCall = (ended: PhoneCall): void => {
  const { problem } = ended
  stopListening()
  showLadder(ended)
  call = parked
  parked = undefined
  if (call === undefined) {
    clearInterval(timer)
    gatewayLadder.stop()
    showNoCall(ended)
    // That the gateway is away matters more than how long the call has been.
    if (registration !== 'registered') showStatus()
    keyPad.clear()
  } else {
    showCall(call, undefined)
    showLadder(call)
    gatewayLadder.follow(call.callId)
    if (call.streams !== undefined) listenTo(call.streams.local, call.streams.remote)
    if (call !== joining) resume(call)
  }
  showProblem(problem ?? '')
}

const resume = (held: PhoneCall): void => {
  held.hold(false).catch((error: unknown) => showProblem(`Not resumed: ${problemOf(error)}`))
}

const callObserver = {
  onState: (changed: PhoneCall): void => {
    if (changed === parked && changed.state === 'ended') {
      showProblem(changed.problem ?? (changed === joining ? '' : `${changed.peer} hung up.`))
      parked = undefined
      if (call !== undefined) showCall(call, parked)
    }
    if (changed !== call) return
    if (changed.state === 'ended') {
      endCall(changed)
      return
    }
    showCall(changed, parked)
    ring(changed)
    gatewayLadder.follow(changed.callId)
  },
  onStreams: (changed: PhoneCall, local: MediaStream, remote: MediaStream): void => {
    if (changed === call) listenTo(local, remote)
    // The microphone is allowed now, so the devices have names.
    void devices.refresh()
  },
  onLadder: (changed: PhoneCall): void => {
    if (changed === call) showLadder(changed)
  },
}

const begin = (begun: PhoneCall): void => {
  call = begun
  // Not the end of the call before it.
  showStatus()
  showProblem('')
  clearInterval(timer)
  timer = setInterval(() => showTimer(call), 250)
  showCall(begun, parked)
  showLadder(begun)
  // One that is refused at once has no other state.
  gatewayLadder.follow(begun.callId)
  ring(begun)
  if (begun.state === 'incoming') view.answer.focus()
  else view.hangUp.focus()
}

const dial = (target: string): void => {
  if (account === undefined || call !== undefined || target === '') return
  if (registration !== 'registered') {
    showProblem('Not connected to the gateway.')
    return
  }
  void audioContext.resume()
  try {
    const dialled = new PhoneCall(account.inviterFor(target), callObserver)
    begin(dialled)
    dialled.dial(devices.constraints)
  } catch (error) {
    showProblem(problemOf(error))
  }
}

const onInvitation = (invitation: Invitation): void => {
  if (call !== undefined) {
    void invitation.reject({ statusCode: 486 })
    return
  }
  begin(new PhoneCall(invitation, callObserver))
}

/** The call waits on hold while we ask the target whether it will take it. */
const askFirst = async (target: string): Promise<void> => {
  const asking = call
  if (asking === undefined || target === '') return
  try {
    await asking.hold(true)
    if (call !== asking || asking.state !== 'active') return
    closePanels()
    parked = asking
    call = undefined
    stopListening()
    dial(target)
    // Not placed: the one on hold is the only one there is.
    if (call === undefined) bringBack(asking)
  } catch (error) {
    showProblem(`Not put on hold: ${problemOf(error)}`)
  }
}

const bringBack = (held: PhoneCall): void => {
  call = held
  parked = undefined
  showCall(held, undefined)
  resume(held)
}

/** Whether it was done. */
const transfer = async (work: Promise<void> | undefined): Promise<boolean> => {
  try {
    await work
    closePanels()
    return true
  } catch (error) {
    showProblem(`Not transferred: ${problemOf(error)}`)
    return false
  }
}

/** Joins the far ends of the two calls. */
const join = async (held: PhoneCall, asked: PhoneCall): Promise<void> => {
  joining = held
  if (await transfer(held.transfer(asked))) return
  joining = undefined
  // The one who was asked has gone meanwhile.
  if (call === held) resume(held)
}

const signIn = (): void => {
  void account?.close()
  void audioContext.resume()
  try {
    const credentials = { user: view.user.value, password: view.password.value }
    account = new Account(credentials, { onRegistration: showRegistration, onInvitation }, thisPage())
    showOtherUser(view.user.value.trim())
    account.open()
  } catch (error) {
    showProblem(problemOf(error))
  }
}

const signOut = async (): Promise<void> => {
  const closing = account
  account = undefined
  parked?.hangUp()
  call?.hangUp()
  showRegistration('signed-out', '')
  view.user.focus()
  await closing?.close()
}

view.signIn.addEventListener('submit', (event) => {
  event.preventDefault()
  signIn()
})
view.signOut.addEventListener('click', () => void signOut())
view.dial.addEventListener('submit', (event) => {
  event.preventDefault()
  dial(view.number.value.trim())
})
view.dial.addEventListener('click', (event) => {
  const target = event.target instanceof HTMLElement ? event.target.dataset.dial : undefined
  if (target === undefined) return
  view.number.value = target
  dial(target)
})
view.answer.addEventListener('click', () => {
  void audioContext.resume()
  call?.answer(devices.constraints)
})
view.hangUp.addEventListener('click', () => call?.hangUp())
view.mute.addEventListener('click', () => call?.setMuted(!call.isMuted))
view.hold.addEventListener('click', () => {
  call?.hold(!call.isHeld).catch((error: unknown) => showProblem(problemOf(error)))
})
view.keys.addEventListener('click', () => togglePanel(view.keyPad))
view.passOn.addEventListener('click', () => {
  togglePanel(view.transfer)
  if (!view.transfer.hidden) view.transferTo.focus()
})
view.transfer.addEventListener('submit', (event) => {
  event.preventDefault()
  const target = account?.uriFor(view.transferTo.value.trim())
  if (target !== undefined) void transfer(call?.transfer(target))
})
view.askFirst.addEventListener('click', () => void askFirst(view.transferTo.value.trim()))
view.connect.addEventListener('click', () => {
  if (call !== undefined && parked !== undefined) void join(parked, call)
})
view.back.addEventListener('click', () => call?.hangUp())

const given = takeFragment()
if (given !== undefined) {
  view.user.value = given.user
  view.password.value = given.password
  view.signInButton.focus()
} else {
  view.user.focus()
}
