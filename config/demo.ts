import type { Machine } from './machine.ts'

/**
 * What stands in place of a config file when there is none: softphone page over https (self-signed) and on localhost, two
 * users whose passwords change with each start, no trunks. Environment variables go over it as over any file.
 */
export function demoSettings({ randomBytes, temporaryFolder }: Machine): Readonly<Record<string, unknown>> {
  // 96 random bits; base64url, because the password travels in the fragment of the printed URL.
  const password = () => Buffer.from(randomBytes(12)).toString('base64url')
  return {
    domain: 'localhost',
    web: {
      https: { host: '0.0.0.0', port: 8443 },
      http: { host: '127.0.0.1', port: 8080 },
    },
    udp: { host: '127.0.0.1', port: 0 },
    users: [
      { name: 'alice', password: password() },
      { name: 'bob', password: password() },
    ],
    media: { webrtcPort: 0 },
    // A folder that anybody may write to: only a name that nobody can guess is ours alone.
    admin: { socket: `${temporaryFolder}/webtrunk-${Buffer.from(randomBytes(8)).toString('hex')}.sock` },
  }
}
