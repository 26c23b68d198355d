import { describe, expect, it } from 'vitest'
import {
  CALL_TRANSITIONS,
  type CallEvent,
  type CallState,
  nextCallState,
} from '../../../../gateway/calls/call-machine.ts'

const states = Object.keys(CALL_TRANSITIONS) as CallState[]

describe('call machine', () => {
  it('can end from every live state by a failure', () => {
    for (const state of states.filter((name) => name !== 'ended'))
      expect(nextCallState(state, 'failed')).toBe('ended')
  })

  it('never leaves ended: a lost race means nothing', () => {
    const events: CallEvent[] = [
      'dialled',
      'progressed',
      'answered',
      'cancelled',
      'refused',
      'hung-up',
      'failed',
    ]
    for (const event of events) expect(nextCallState('ended', event)).toBeUndefined()
  })

  it('takes no CANCEL after the answer and no BYE before it', () => {
    expect(nextCallState('connected', 'cancelled')).toBeUndefined()
    expect(nextCallState('early', 'hung-up')).toBeUndefined()
  })

  it('reaches every state from the first', () => {
    const reached = new Set<CallState>(['routing'])
    for (const state of reached) {
      for (const next of Object.values(CALL_TRANSITIONS[state]) as CallState[]) reached.add(next)
    }
    expect([...reached].sort()).toEqual([...states].sort())
  })
})
