/** A protocol machine: no socket, no timer, no clock, no log. */
export interface Machine<Input, Output> {
  handle(input: Input, nowMs: number): readonly Output[]
  /** When to call `handle({ kind: 'timeout' }, now)`; undefined means never. */
  readonly deadlineMs: number | undefined
}
