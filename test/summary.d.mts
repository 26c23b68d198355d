/** The types of summary.mjs, which is plain JavaScript because `npm test` runs it before anything is compiled. */
export function summaryOf(
  report: { readonly testResults: readonly unknown[] } | undefined,
  status: number,
  failedChecks: readonly string[],
): { readonly lines: readonly string[]; readonly isGood: boolean }
