import type { Invitation } from 'sip.js'
import { Account, type RegistrationState } from './account.ts'
import { LevelMeter } from './level-meter.ts'
import { PhoneCall } from './phone-call.ts'
import { RingTone } from './ring-tone.ts'

/** The two users of the demo, who may call each other. */
const DEMO_USERS: readonly string[] = ['alice', 'bob']

const REGISTRATION_WORDS: Readonly<Record<RegistrationState, string>> = {
  'signed-out': 'Signed out',
  connecting: 'Signing in…',
  registered: 'Ready',
  reconnecting: 'Reconnecting…',
  failed: 'Not signed in',
}

const CALL_WORDS = {
  dialling: 'Calling…',
  ringing: 'Ringing…',
  incoming: 'Incoming call',
  answering: 'Connecting…',
  active: 'Connected',
  ended: 'Call ended',
} as const

const element = <Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind => {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`)
  return found
}

const view = {
  status: element('status', HTMLParagraphElement),
  problem: element('problem', HTMLParagraphElement),
  signIn: element('sign-in', HTMLFormElement),
  user: element('user', HTMLInputElement),
  password: element('password', HTMLInputElement),
  signOut: element('sign-out', HTMLButtonElement),
  phone: element('phone', HTMLElement),
  dial: element('dial', HTMLFormElement),
  number: element('number', HTMLInputElement),
  otherUser: element('other-user', HTMLButtonElement),
  call: element('call', HTMLElement),
  peer: element('peer', HTMLParagraphElement),
  callState: element('call-state', HTMLSpanElement),
  timer: element('timer', HTMLSpanElement),
  answer: element('answer', HTMLButtonElement),
  mute: element('mute', HTMLButtonElement),
  hangUp: element('hang-up', HTMLButtonElement),
  audio: element('remote-audio', HTMLAudioElement),
}

/** `#user=alice&password=...`; `undefined` without one. The password must not stay in the address bar or the history. */
const takeFragment = (): { readonly user: string; readonly password: string } | undefined => {
  const fragment = new URLSearchParams(location.hash.slice(1))
  const user = fragment.get('user')
  if (user === null) return undefined
  history.replaceState(null, '', location.pathname + location.search)
  return { user, password: fragment.get('password') ?? '' }
}

const formatDuration = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

const TITLE = document.title
const audioContext = new AudioContext()
const ringTone = new RingTone(audioContext)
const levelIn = new LevelMeter(element('level-in', HTMLMeterElement), audioContext)
const levelOut = new LevelMeter(element('level-out', HTMLMeterElement), audioContext)

let account: Account | undefined
let call: PhoneCall | undefined
let timer: number | undefined

const showProblem = (text: string): void => {
  view.problem.textContent = text
}

const showRegistration = (state: RegistrationState, text: string): void => {
  // A refreshed registration is no news: what is on the screen stays.
  if (state === 'registered' && document.body.dataset.registration === state) return
  document.body.dataset.registration = state
  const user = view.user.value.trim()
  view.status.textContent =
    state === 'registered' ? `${REGISTRATION_WORDS[state]} · ${user}` : REGISTRATION_WORDS[state]
  const isSignedIn = state === 'registered' || state === 'reconnecting'
  view.signIn.hidden = isSignedIn
  view.phone.hidden = !isSignedIn
  view.signOut.hidden = !isSignedIn
  if (state === 'registered' && call === undefined) view.number.focus()
  showProblem(text)
}

const showOtherUser = (user: string): void => {
  const other = DEMO_USERS.includes(user) ? DEMO_USERS.find((name) => name !== user) : undefined
  view.otherUser.hidden = other === undefined
  if (other === undefined) return
  view.otherUser.dataset.dial = other
  view.otherUser.textContent = `Call ${other}`
}

const showTimer = (): void => {
  const since = call?.activeSince
  view.timer.textContent = since === undefined ? '' : formatDuration(performance.now() - since)
}

const showCall = (shown: PhoneCall): void => {
  const { state } = shown
  document.body.dataset.call = state
  document.body.dataset.media = shown.path
  view.dial.hidden = true
  view.call.hidden = false
  view.peer.textContent = shown.peer
  view.callState.textContent =
    state === 'active' && shown.path !== 'connected' ? 'Connecting the audio…' : CALL_WORDS[state]
  view.answer.hidden = state !== 'incoming'
  view.mute.hidden = state !== 'active'
  view.hangUp.textContent = state === 'incoming' ? 'Reject' : state === 'active' ? 'Hang up' : 'Cancel'
  document.title = state === 'incoming' ? `${shown.peer} calls` : TITLE
  if (state === 'incoming') ringTone.start('incoming')
  else if (state === 'ringing' && !shown.hasEarlyMedia) ringTone.start('ringback')
  else ringTone.stop()
}

const setMuted = (isMuted: boolean): void => {
  call?.setMuted(isMuted)
  view.mute.setAttribute('aria-pressed', String(isMuted))
  view.mute.textContent = isMuted ? 'Unmute' : 'Mute'
}

const endCall = (ended: PhoneCall): void => {
  const talked =
    ended.activeSince === undefined ? '' : ` after ${formatDuration(performance.now() - ended.activeSince)}`
  call = undefined
  clearInterval(timer)
  levelIn.stop()
  levelOut.stop()
  ringTone.stop()
  view.audio.srcObject = null
  view.call.hidden = true
  view.dial.hidden = false
  view.timer.textContent = ''
  view.mute.setAttribute('aria-pressed', 'false')
  view.mute.textContent = 'Mute'
  view.status.textContent = `Call ended${talked}`
  document.title = TITLE
  document.body.dataset.call = 'none'
  document.body.dataset.media = 'closed'
  showProblem(ended.problem ?? '')
  view.number.focus()
}

const callObserver = {
  onState: (changed: PhoneCall): void => {
    if (changed !== call) return
    if (changed.state === 'ended') endCall(changed)
    else showCall(changed)
  },
  onStreams: (local: MediaStream, remote: MediaStream): void => {
    view.audio.srcObject = remote
    levelIn.start(remote)
    levelOut.start(local)
  },
}

const begin = (begun: PhoneCall): void => {
  call = begun
  showProblem('')
  timer = setInterval(showTimer, 250)
  showCall(begun)
  if (begun.state === 'incoming') view.answer.focus()
  else view.hangUp.focus()
}

const dial = (target: string): void => {
  if (account === undefined || call !== undefined || target === '') return
  if (document.body.dataset.registration !== 'registered') {
    showProblem('Not connected to the gateway.')
    return
  }
  void audioContext.resume()
  try {
    const dialled = new PhoneCall(account.inviterFor(target), callObserver)
    begin(dialled)
    dialled.dial()
  } catch (error) {
    showProblem(error instanceof Error ? error.message : String(error))
  }
}

const onInvitation = (invitation: Invitation): void => {
  if (call !== undefined) {
    void invitation.reject({ statusCode: 486 })
    return
  }
  begin(new PhoneCall(invitation, callObserver))
}

const signIn = (): void => {
  void account?.close()
  void audioContext.resume()
  try {
    const credentials = { user: view.user.value, password: view.password.value }
    account = new Account(credentials, { onRegistration: showRegistration, onInvitation })
    showOtherUser(view.user.value.trim())
    account.open()
  } catch (error) {
    showProblem(error instanceof Error ? error.message : String(error))
  }
}

const signOut = async (): Promise<void> => {
  const closing = account
  account = undefined
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
  call?.answer()
})
view.hangUp.addEventListener('click', () => call?.hangUp())
view.mute.addEventListener('click', () => setMuted(view.mute.getAttribute('aria-pressed') !== 'true'))

const given = takeFragment()
if (given !== undefined) {
  view.user.value = given.user
  view.password.value = given.password
  element('sign-in-button', HTMLButtonElement).focus()
} else {
  view.user.focus()
}
