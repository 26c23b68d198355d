/**
 * The last lines of `npm test` from vitest's JSON report. A skipped test, an empty run, a test file that did not load and an
 * error outside of any test are failures too: a green result means that everything ran.
 *
 * @param {object | undefined} report undefined when vitest wrote none
 * @param {number} status exit status of vitest
 * @param {string[]} failedChecks names of format, lint or type checks that failed
 * @returns {{ lines: string[], isGood: boolean }}
 */
export function summaryOf(report, status, failedChecks) {
  const files = report?.testResults ?? []
  const tests = files.flatMap(({ assertionResults }) => assertionResults)
  const passed = tests.filter(({ status: outcome }) => outcome === 'passed').length
  const leftOut = tests.filter(({ status: outcome }) => outcome !== 'passed' && outcome !== 'failed')
  const failedTests = tests.length - passed - leftOut.length
  const unloaded = files.filter(
    ({ status: outcome, assertionResults }) => outcome === 'failed' && assertionResults.length === 0,
  )

  const troubles = [
    ...failedChecks.map((name) => `failed check: ${name}`),
    ...leftOut.map(({ fullName, status: outcome }) => `not run (${outcome}): ${fullName}`),
    ...unloaded.map(({ name }) => `test file did not load: ${name}`),
    ...(tests.length === 0 ? ['no test ran'] : []),
  ]
  const named = failedTests + troubles.length
  if (named === 0 && status !== 0) troubles.push(`vitest ended with status ${status}, see above`)
  const failed = failedTests + troubles.length
  return { lines: ['', ...troubles, `${passed} passed, ${failed} failed`], isGood: failed === 0 }
}
