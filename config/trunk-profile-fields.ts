import { choice, optional } from './fields.ts'
import type { Field } from './format.ts'
import type { SuiteName, TrunkProfile } from './trunk-profiles.ts'

const CODECS = ['opus', 'G722', 'PCMU', 'PCMA']
const SUITES: readonly SuiteName[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
  'AES_192_CM_HMAC_SHA1_80',
  'AES_192_CM_HMAC_SHA1_32',
  'AES_256_CM_HMAC_SHA1_80',
  'AES_256_CM_HMAC_SHA1_32',
  'AEAD_AES_128_GCM',
  'AEAD_AES_256_GCM',
]

/** Keys that a profile gives where the trunk does not. */
export const TRUNK_PROFILE = {
  media: optional('Plain (rtp), or SRTP with keys in the SDP (sdes) or of a handshake (dtls).', 'choice', {
    oneOf: ['rtp', 'sdes', 'dtls'],
  }),
  osrtp: optional(
    'For rtp: SRTP with keys in the SDP, where the trunk can, or always (RFC 8643).',
    'choice',
    {
      oneOf: ['off', 'optional', 'required'],
    },
  ),
  avpf: optional('Offer the profile with feedback (AVPF, SAVPF).', 'yesNo'),
  rtcpMux: optional('Offer RTCP on the port of RTP.', 'yesNo'),
  clearKeys: optional(
    'Keys in the SDP may travel over UDP and TCP, where all on the way read them.',
    'yesNo',
  ),
  codecs: optional('Allowed codecs, best first. telephone-event (DTMF) always comes with them.', 'listOf', {
    item: choice('A codec.', '', CODECS),
    maxRows: CODECS.length,
  }),
  suites: optional('SRTP suites for keys in the SDP, offered and accepted, best first.', 'listOf', {
    item: choice('A suite.', '', SUITES),
    maxRows: SUITES.length,
  }),
  dtmf: optional('How key presses travel.', 'choice', { oneOf: ['rfc4733', 'info-relay', 'info-dtmf'] }),
  ptimeMs: optional('Packet time it insists on, a multiple of 10; 0: none.', 'wholeNumber', {
    min: 0,
    max: 60,
  }),
  sessionExpiresS: optional('In place of calls.sessionExpiresS; 0: that.', 'wholeNumber', {
    min: 0,
    max: 86_400,
  }),
  passHeaders: optional("What passes of the other side's headers.", 'choice', {
    oneOf: ['all', 'known', 'none'],
  }),
} satisfies Readonly<Record<keyof TrunkProfile, Field>>
