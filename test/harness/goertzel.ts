/** The detector of `webtrunk selftest`: `harness-*` tests and the detector's own hold it to signals made elsewhere. */
export { sine, type ToneSearch, toneMs, toneShare } from '../../gateway/selftest/selftest-tone.ts'
