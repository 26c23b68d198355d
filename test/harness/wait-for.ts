export interface WaitOptions {
  readonly timeoutMs?: number
  readonly intervalMs?: number
}

/**
 * Polls until `probe` returns something other than undefined or false. On timeout the error says what was waited for and
 * what `describe` has to tell about it.
 */
export const waitFor = async <Value>(
  what: string,
  probe: () => Value | undefined | false | Promise<Value | undefined | false>,
  { timeoutMs = 20_000, intervalMs = 50 }: WaitOptions = {},
  describe: () => string = () => '',
): Promise<Value> => {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}\n${describe()}`)
    await new Promise((resolve) => setTimeout(resolve, intervalMs))
  }
}
