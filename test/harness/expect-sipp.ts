import { expect } from 'vitest'
import type { Sipp } from './sipp.ts'

/** The scenario went through to its end; else its messages are the failure's text. Gives them back. */
export const expectSuccess = async (sipp: Sipp): Promise<string> => {
  const { exitCode, log } = await sipp.finished()
  expect(exitCode, log).toBe(0)
  return log
}
