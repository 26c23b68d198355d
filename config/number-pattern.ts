/**
 * Regular expressions for dialled numbers, in time linear in number and pattern. The number comes from whoever calls, and
 * JavaScript's own expressions backtrack: some take minutes for forty digits, and no rule that refuses all of those is as
 * short as a machine that cannot (Thompson's, with captures as in Pike's). What is read here means what it means there.
 */
export interface NumberPattern {
  /** How many `( )` it has. */
  readonly groups: number
  /** Whole match and groups (undefined: took no part); undefined unless all of `input` fits. */
  match(input: string): readonly (string | undefined)[] | undefined
}

/** A dialled number and the groups of a pattern it fits: `$1` in a replacement is the first group. */
export const expandReplacement = (replacement: string, groups: readonly (string | undefined)[]): string =>
  replacement.replace(/\$(\d)/g, (_text, digit: string) => groups[Number(digit)] ?? '')

/** Longest pattern, and how many steps it may stand for once repetitions are written out. */
const MAX_PATTERN_LENGTH = 256
const MAX_STEPS = 1_024
const MAX_GROUPS = 9

type Node =
  | { readonly kind: 'set'; readonly has: (code: number) => boolean }
  | { readonly kind: 'sequence' | 'choice'; readonly nodes: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number }
  | { readonly kind: 'group'; readonly index: number; readonly node: Node }

type Step =
  | { readonly kind: 'set'; readonly has: (code: number) => boolean }
  /** Goes on at both places; the first is preferred. */
  | { readonly kind: 'fork'; first: number; second: number }
  | { readonly kind: 'save'; readonly slot: number }
  | { readonly kind: 'end' }

export class PatternError extends Error {}

/** Throws PatternError with what is wrong: `a ( without )`. */
export function compileNumberPattern(text: string): NumberPattern {
  if (text.length > MAX_PATTERN_LENGTH) throw new PatternError(`more than ${MAX_PATTERN_LENGTH} characters`)
  const reader = new Reader(text)
  const node = reader.read()
  const steps: Step[] = []
  emit(node, steps)
  push(steps, { kind: 'end' })
  const { groups } = reader
  return { groups, match: (input) => run(steps, groups, input) }
}

const inRange = (from: number, to: number) => (code: number) => code >= from && code <= to
const isDigit = inRange(0x30, 0x39)
const LITERAL = /^[A-Za-z0-9 #%&,/:;<=>@_`'"!~-]$/
const ESCAPABLE = /^[\\^$.*+?()[\]{}|/-]$/

/** Recursive descent: choice, sequence, repetition, atom. */
class Reader {
  readonly #text: string
  #at = 0
  groups = 0

  constructor(text: string) {
    // The whole number always has to fit, so that anchors at both ends say nothing.
    this.#text = text.replace(/^\^/, '').replace(/(?<=(?:^|[^\\])(?:\\\\)*)\$$/, '')
  }

  read(): Node {
    const node = this.#choice()
    if (this.#at < this.#text.length) throw new PatternError('a ) without (')
    return node
  }

  #choice(): Node {
    const nodes = [this.#sequence()]
    while (this.#take('|')) nodes.push(this.#sequence())
    return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { kind: 'choice', nodes }
  }

  #sequence(): Node {
    const nodes: Node[] = []
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')')
      nodes.push(this.#repetition())
    return { kind: 'sequence', nodes }
  }

  #repetition(): Node {
    const groupsBefore = this.groups
    const node = this.#atom()
    const range = this.#quantifier()
    if (range === undefined) return node
    if (this.groups > groupsBefore) throw new PatternError('a repeated ( ), which could be (?: )')
    // JavaScript has a rule of its own for a repetition that reads nothing; nobody needs one.
    if (mayBeEmpty(node)) throw new PatternError('a repetition of what may be empty')
    if (/^[*+?{]/.test(this.#peek())) throw new PatternError(`${this.#peek()} after a repetition`)
    return { kind: 'repeat', node, ...range }
  }

  #quantifier(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (this.#peek() !== '{') return undefined
    const [whole, least = '', comma, most = ''] =
      /^\{(\d{1,3})(?:(,)(\d{0,3}))?\}/.exec(this.#text.slice(this.#at)) ?? []
    if (whole === undefined) throw new PatternError('a { that is no {2}, {2,} or {2,4}')
    this.#at += whole.length
    const min = Number(least)
    const max = comma === undefined ? min : most === '' ? Infinity : Number(most)
    if (max < min) throw new PatternError(`${whole}, which counts down`)
    return { min, max }
  }

  #atom(): Node {
    const character = this.#next()
    if (character === '(') return this.#group()
    if (character === '[') return this.#class()
    if (character === '.') return { kind: 'set', has: () => true }
    if (character === '\\') return { kind: 'set', has: this.#escape() }
    if (!LITERAL.test(character)) throw new PatternError(`${character} where it means nothing`)
    return { kind: 'set', has: only(character) }
  }

  #escape(): (code: number) => boolean {
    const character = this.#next()
    if (character === 'd') return isDigit
    if (character === 'D') return (code) => !isDigit(code)
    if (!ESCAPABLE.test(character)) throw new PatternError(`\\${character}, which is not known here`)
    return only(character)
  }

  #group(): Node {
    const isCapturing = !this.#text.startsWith('?:', this.#at)
    if (!isCapturing) this.#at += 2
    else if (this.#peek() === '?') throw new PatternError('(?, other than (?: )')
    const index = isCapturing ? ++this.groups : 0
    if (index > MAX_GROUPS) throw new PatternError(`more than ${MAX_GROUPS} ( )`)
    const node = this.#choice()
    if (!this.#take(')')) throw new PatternError('a ( without )')
    return isCapturing ? { kind: 'group', index, node } : node
  }

  #class(): Node {
    const isNegated = this.#take('^')
    const parts: ((code: number) => boolean)[] = []
    while (this.#peek() !== ']') parts.push(this.#classPart())
    this.#at += 1
    return { kind: 'set', has: (code) => parts.some((part) => part(code)) !== isNegated }
  }

  #classPart(): (code: number) => boolean {
    const first = this.#next()
    if (first === '\\') return this.#escape()
    const isRange = this.#peek() === '-' && this.#text.charAt(this.#at + 1) !== ']'
    if (!isRange) return only(first)
    this.#at += 1
    const last = this.#next()
    if (last === '\\' || last < first) throw new PatternError(`the range ${first}-${last}`)
    return inRange(first.charCodeAt(0), last.charCodeAt(0))
  }

  #peek(): string {
    return this.#text.charAt(this.#at)
  }

  #next(): string {
    if (this.#at >= this.#text.length) throw new PatternError('an end too early')
    return this.#text.charAt(this.#at++)
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at += 1
    return true
  }
}

function mayBeEmpty(node: Node): boolean {
  switch (node.kind) {
    case 'set':
      return false
    case 'sequence':
      return node.nodes.every(mayBeEmpty)
    case 'choice':
      return node.nodes.some(mayBeEmpty)
    case 'repeat':
      return node.min === 0 || mayBeEmpty(node.node)
    case 'group':
      return mayBeEmpty(node.node)
    default:
      return node satisfies never
  }
}

const only =
  (character: string) =>
  (code: number): boolean =>
    code === character.charCodeAt(0)

function push<S extends Step>(steps: Step[], step: S): S {
  if (steps.length >= MAX_STEPS) throw new PatternError(`more than ${MAX_STEPS} steps`)
  steps.push(step)
  return step
}

function emit(node: Node, steps: Step[]): void {
  switch (node.kind) {
    case 'set':
      push(steps, node)
      return
    case 'sequence':
      for (const inner of node.nodes) emit(inner, steps)
      return
    case 'choice':
      emitChoice(node.nodes, steps)
      return
    case 'repeat':
      emitRepeat(node, steps)
      return
    case 'group':
      push(steps, { kind: 'save', slot: node.index * 2 })
      emit(node.node, steps)
      push(steps, { kind: 'save', slot: node.index * 2 + 1 })
      return
    default:
      node satisfies never
  }
}

function emitChoice(nodes: readonly Node[], steps: Step[]): void {
  const exits: { first: number; second: number }[] = []
  for (const [index, node] of nodes.entries()) {
    if (index === nodes.length - 1) emit(node, steps)
    else {
      const fork = push(steps, { kind: 'fork', first: steps.length + 1, second: 0 })
      emit(node, steps)
      exits.push(push(steps, { kind: 'fork', first: 0, second: 0 }))
      fork.second = steps.length
    }
  }
  for (const exit of exits) exit.first = exit.second = steps.length
}

function emitRepeat({ node, min, max }: Extract<Node, { kind: 'repeat' }>, steps: Step[]): void {
  for (let count = 0; count < min; count += 1) emit(node, steps)
  if (max === Infinity) {
    const start = steps.length
    const fork = push(steps, { kind: 'fork', first: start + 1, second: 0 })
    emit(node, steps)
    push(steps, { kind: 'fork', first: start, second: start })
    fork.second = steps.length
    return
  }
  const forks: { second: number }[] = []
  for (let count = min; count < max; count += 1) {
    forks.push(push(steps, { kind: 'fork', first: steps.length + 1, second: 0 }))
    emit(node, steps)
  }
  for (const fork of forks) fork.second = steps.length
}

interface Thread {
  readonly step: number
  readonly slots: readonly number[]
}

/** All ways at once, the preferred first: each step is looked at once for each character of the input. */
function run(steps: readonly Step[], groups: number, input: string): (string | undefined)[] | undefined {
  let threads: Thread[] = []
  follow({ steps, at: 0, into: threads, seen: new Set() }, 0, [])
  for (let at = 0; at < input.length && threads.length > 0; at += 1) {
    const next: Thread[] = []
    const frame = { steps, at: at + 1, into: next, seen: new Set<number>() }
    for (const { step, slots } of threads) {
      const found = steps[step]
      if (found?.kind === 'set' && found.has(input.charCodeAt(at))) follow(frame, step + 1, slots)
    }
    threads = next
  }
  const end = threads.find(({ step }) => steps[step]?.kind === 'end')
  if (end === undefined) return undefined
  return Array.from({ length: groups + 1 }, (_, index) => {
    if (index === 0) return input
    const [from, to] = [end.slots[index * 2], end.slots[index * 2 + 1]]
    return from === undefined || to === undefined ? undefined : input.slice(from, to)
  })
}

interface Frame {
  readonly steps: readonly Step[]
  readonly at: number
  readonly into: Thread[]
  readonly seen: Set<number>
}

/** Goes on from `step` without reading, to every set it comes to. */
function follow(frame: Frame, step: number, slots: readonly number[]): void {
  if (frame.seen.has(step)) return
  frame.seen.add(step)
  const found = frame.steps[step]
  if (found === undefined) return
  if (found.kind === 'fork') {
    follow(frame, found.first, slots)
    if (found.second !== found.first) follow(frame, found.second, slots)
  } else if (found.kind === 'save') {
    const saved = [...slots]
    saved[found.slot] = frame.at
    follow(frame, step + 1, saved)
  } else frame.into.push({ step, slots })
}
