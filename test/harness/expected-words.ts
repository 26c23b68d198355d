/** Calls whose arguments are what a test insists on: matchers of `expect`, and our own that compare what really happened. */
const INSISTING =
  /^(to(Be|Equal|StrictEqual|Contain|ContainEqual|Match|MatchObject|Throw|HaveProperty|HaveBeenCalledWith)|expect\w+|objectContaining|stringContaining|arrayContaining|stringMatching)$/

/**
 * The string and regular expression literals of a test that stand where something is insisted on; those in a title, a comment or a
 * helper's argument are not. A row of `each` counts when what it is for insists on its `code`.
 */
export function expectedWords(source: string): readonly string[] {
  return new Scanner(source).words()
}

interface Open {
  readonly name: string
  /** Literals seen in it, of a table that waits for its use. */
  readonly rows: string[]
}

class Scanner {
  readonly #source: string
  readonly #words: string[] = []
  readonly #open: Open[] = []
  /** Of the `each(...)` that has just closed: its test follows. */
  #table: readonly string[] = []
  #at = 0
  /** What stood before the next character that is no space. */
  #before = ''

  constructor(source: string) {
    this.#source = source
  }

  words(): readonly string[] {
    while (this.#at < this.#source.length) this.#step()
    return this.#words
  }

  #step(): void {
    const rest = this.#source.slice(this.#at)
    const comment = /^(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/|\s+)/.exec(rest)?.[0]
    if (comment !== undefined) {
      this.#at += comment.length
      return
    }
    const literal = this.#literalAt(rest)
    if (literal !== undefined) this.#onLiteral(literal)
    else this.#onCode(rest)
  }

  #literalAt(rest: string): string | undefined {
    const quoted = /^(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`)/.exec(rest)?.[0]
    if (quoted !== undefined) return quoted
    // A slash behind a value divides; elsewhere a regular expression begins.
    if (rest[0] !== '/' || /[\w)\]]$/.test(this.#before)) return undefined
    return /^\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/.exec(rest)?.[0]
  }

  #onLiteral(literal: string): void {
    const word = literal.replaceAll('\\.', '.').replaceAll('\\-', '-')
    if (this.#open.some(({ name }) => INSISTING.test(name))) this.#words.push(word)
    this.#open.find(({ name }) => name === 'each')?.rows.push(word)
    this.#at += literal.length
    this.#before = 'x'
  }

  #onCode(rest: string): void {
    const token = /^[\w$]+/.exec(rest)?.[0] ?? rest.charAt(0)
    if (token === '(') this.#open.push({ name: this.#before, rows: [] })
    else if (token === ')') this.#close()
    else if (token === 'code' && this.#open.some(({ name }) => INSISTING.test(name))) {
      this.#words.push(...this.#table)
    }
    this.#at += token.length
    this.#before = token
  }

  #close(): void {
    const closed = this.#open.pop()
    if (closed?.name === 'each') this.#table = closed.rows
  }
}
