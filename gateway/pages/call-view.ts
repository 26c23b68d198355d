import { CODES, type Code } from '../diagnosis.ts'
import type { GatewayFinding } from './gateway-findings.ts'
import { newLadder } from './ladder.ts'
import { LadderView } from './ladder-view.ts'
import type { PhoneCall } from './phone-call.ts'
import { formatDuration, view } from './view.ts'

const CALL_WORDS = {
  dialling: 'Calling…',
  ringing: 'Ringing…',
  incoming: 'Incoming call',
  answering: 'Connecting…',
  active: 'Connected',
  ended: 'Call ended',
} as const

const TITLE = document.title
const ladderView = new LadderView(view.ladder, newLadder())

/** What a call shows. `parked`: the call that waits on hold while this one asks. */
export const showCall = (shown: PhoneCall, parked: PhoneCall | undefined): void => {
  const { state } = shown
  const isActive = state === 'active'
  document.body.dataset.call = state
  document.body.dataset.media = shown.path
  document.body.dataset.hold = String(shown.isHeld)
  view.dial.hidden = true
  view.call.hidden = false
  view.peer.textContent = shown.peer
  view.callState.textContent = wordsFor(shown)
  view.parked.hidden = parked === undefined
  view.parked.textContent = parked === undefined ? '' : `${parked.peer} waits on hold`
  view.answer.hidden = state !== 'incoming'
  view.tools.hidden = !isActive
  view.passOn.disabled = parked !== undefined
  view.consultation.hidden = parked === undefined
  view.connect.disabled = !isActive
  view.hangUp.textContent = state === 'incoming' ? 'Reject' : isActive ? 'Hang up' : 'Cancel'
  showPressed(view.mute, shown.isMuted, 'Mute', 'Unmute')
  showPressed(view.hold, shown.isHeld, 'Hold', 'Resume')
  if (!isActive) closePanels()
  document.title = state === 'incoming' ? `${shown.peer} calls` : TITLE
}

const wordsFor = (shown: PhoneCall): string => {
  if (shown.state !== 'active') return CALL_WORDS[shown.state]
  if (shown.path !== 'connected') return 'Connecting the audio…'
  return shown.isHeld ? 'On hold' : CALL_WORDS.active
}

const showPressed = (button: HTMLButtonElement, isPressed: boolean, off: string, on: string): void => {
  button.setAttribute('aria-pressed', String(isPressed))
  button.textContent = isPressed ? on : off
}

/** Opens the panel of a button and closes the other one, or closes it. */
export const togglePanel = (panel: HTMLElement): void => {
  const wasHidden = panel.hidden !== false
  closePanels()
  setPanel(panel, wasHidden)
}

export const closePanels = (): void => {
  setPanel(view.keyPad, false)
  setPanel(view.transfer, false)
}

const setPanel = (panel: HTMLElement, isOpen: boolean): void => {
  panel.hidden = !isOpen
  const button = panel === view.keyPad ? view.keys : view.passOn
  button.setAttribute('aria-expanded', String(isOpen))
}

export const showTimer = (shown: PhoneCall | undefined): void => {
  const since = shown?.activeSince
  view.timer.textContent = since === undefined ? '' : formatDuration(performance.now() - since)
}

/** The ladder stays after the call: what went wrong is read then. */
export const showLadder = ({ ladder, code, state }: PhoneCall): void => {
  view.ladderCard.hidden = false
  ladderView.show(ladder)
  const failed = ladder.find((rung) => rung.state === 'failed')
  view.ladderCard.dataset.failed = failed?.name ?? ''
  view.verdict.textContent = code === undefined || state !== 'ended' ? '' : `${code}: ${CODES[code].text}`
}

export const isCode = (code: string): code is Code => code in CODES

const SIDES = { own: ' (our side)', far: ' (far side)' } as const

/** What the gateway found, each with its usual cause and what to do. */
export const showFindings = (findings: readonly GatewayFinding[]): void => {
  view.findings.hidden = findings.length === 0
  view.findings.replaceChildren(
    ...findings.flatMap(({ code, side }) => {
      const { text, cause, remedy } = CODES[code]
      const term = document.createElement('dt')
      term.textContent = `${code}${side === undefined ? '' : SIDES[side]}`
      const lines = [text, `Usually: ${cause}`, `What to do: ${remedy}`].map((line) => {
        const description = document.createElement('dd')
        description.textContent = line
        return description
      })
      return [term, ...lines]
    }),
  )
}

/** Back to the dial form. */
export const showNoCall = (ended: PhoneCall): void => {
  const talked =
    ended.activeSince === undefined ? '' : ` after ${formatDuration(performance.now() - ended.activeSince)}`
  view.status.textContent = `Call ended${talked}`
  view.call.hidden = true
  view.dial.hidden = false
  view.timer.textContent = ''
  closePanels()
  document.title = TITLE
  document.body.dataset.call = 'none'
  document.body.dataset.media = 'closed'
  document.body.dataset.hold = 'false'
  view.number.focus()
}
