const element = <Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind => {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`)
  return found
}

/** Every element of the page that the script touches, by its id. */
export const view = {
  status: element('status', HTMLParagraphElement),
  problem: element('problem', HTMLParagraphElement),
  signIn: element('sign-in', HTMLFormElement),
  signInButton: element('sign-in-button', HTMLButtonElement),
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
  parked: element('parked', HTMLParagraphElement),
  meters: element('meters', HTMLDivElement),
  levelIn: element('level-in', HTMLMeterElement),
  levelOut: element('level-out', HTMLMeterElement),
  tools: element('tools', HTMLFieldSetElement),
  mute: element('mute', HTMLButtonElement),
  hold: element('hold', HTMLButtonElement),
  keys: element('keys', HTMLButtonElement),
  passOn: element('pass-on', HTMLButtonElement),
  keyPad: element('key-pad', HTMLFieldSetElement),
  pressed: element('pressed', HTMLOutputElement),
  transfer: element('transfer', HTMLFormElement),
  transferTo: element('transfer-to', HTMLInputElement),
  askFirst: element('ask-first', HTMLButtonElement),
  consultation: element('consultation', HTMLDivElement),
  connect: element('connect', HTMLButtonElement),
  back: element('back', HTMLButtonElement),
  answer: element('answer', HTMLButtonElement),
  hangUp: element('hang-up', HTMLButtonElement),
  microphone: element('microphone', HTMLSelectElement),
  speaker: element('speaker', HTMLSelectElement),
  ladderCard: element('ladder-card', HTMLElement),
  ladder: element('ladder', HTMLOListElement),
  findings: element('findings', HTMLDListElement),
  verdict: element('verdict', HTMLParagraphElement),
  audio: element('remote-audio', HTMLAudioElement),
}

export const showProblem = (text: string): void => {
  view.problem.textContent = text
}

export const problemOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const formatDuration = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
