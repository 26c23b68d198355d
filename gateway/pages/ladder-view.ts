import type { Ladder, RungName, RungState } from './ladder.ts'

const NAMES: Readonly<Record<RungName, string>> = {
  signalling: 'Signalling',
  sdp: 'Session description',
  ice: 'Path (ICE)',
  dtls: 'Handshake (DTLS)',
  srtp: 'Encryption (SRTP)',
  media: 'Audio',
}

/** For those who do not see the mark. */
const STATES: Readonly<Record<RungState, string>> = {
  waiting: 'not yet',
  climbing: 'under way',
  reached: 'done',
  failed: 'failed',
}

/** The list of rungs; each is made once and only changed after, so that a screen reader keeps its place. */
export class LadderView {
  readonly #rows: ReadonlyMap<RungName, Row>

  constructor(list: HTMLOListElement, ladder: Ladder) {
    this.#rows = new Map(ladder.map(({ name }) => [name, addRow(list, NAMES[name])]))
    this.show(ladder)
  }

  show(ladder: Ladder): void {
    for (const { name, state, detail, atMs } of ladder) {
      const row = this.#rows.get(name)
      if (row === undefined) continue
      row.item.dataset.state = state
      row.state.textContent = STATES[state]
      row.detail.textContent = detail
      row.time.textContent = atMs === undefined ? '' : `${(atMs / 1_000).toFixed(2)} s`
    }
  }
}

interface Row {
  readonly item: HTMLLIElement
  readonly state: HTMLSpanElement
  readonly detail: HTMLSpanElement
  readonly time: HTMLSpanElement
}

function addRow(list: HTMLOListElement, name: string): Row {
  const item = document.createElement('li')
  const part = (className: string, text = ''): HTMLSpanElement => {
    const span = document.createElement('span')
    span.className = className
    span.textContent = text
    item.append(span)
    return span
  }
  part('rung-name', name)
  const row = { item, state: part('rung-state'), time: part('rung-time'), detail: part('rung-detail') }
  list.append(item)
  return row
}
