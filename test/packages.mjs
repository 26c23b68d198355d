/** Debian packages that the tests need beside those of the build; each of them is a peer or a tool of some test. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BUILD_PACKAGES } from '../gateway/prepare.mjs'

/** @type {import('../gateway/prepare.mjs').Package[]} */
export const TEST_PACKAGES = [
  ...BUILD_PACKAGES,
  { name: 'ca-certificates', isThere: () => existsSync('/etc/ssl/certs/ca-certificates.crt') },
  { name: 'git', commands: ['git'] },
  { name: 'openssl', commands: ['openssl'] },
  { name: 'libssl-dev', isThere: () => existsSync('/usr/include/openssl/ssl.h') },
  // The unversioned packages bring the release's own clang, whose command has a number too.
  { name: 'clang', commands: ['clang', 'clang-14'] },
  { name: 'libclang-rt-dev', isThere: hasSanitizers },
  { name: 'sip-tester', commands: ['sipp'] },
  { name: 'baresip', commands: ['baresip'] },
  { name: 'linphone-cli', commands: ['linphonec'] },
  { name: 'kamailio', commands: ['kamailio'] },
  // The SIP stack inside FreeSWITCH, which Debian does not have.
  { name: 'libsofia-sip-ua-dev', isThere: () => existsSync('/usr/include/sofia-sip-1.12/sofia-sip/nua.h') },
  { name: 'rtpengine-daemon', commands: ['rtpengine'] },
  { name: 'coturn', commands: ['turnserver'] },
  { name: 'nginx', commands: ['nginx'] },
  { name: 'haproxy', commands: ['haproxy'] },
  { name: 'dnsmasq-base', isThere: () => existsSync('/usr/sbin/dnsmasq') },
  { name: 'chromium', commands: ['chromium'] },
  { name: 'firefox-esr', commands: ['firefox-esr'] },
  { name: 'tcpdump', commands: ['tcpdump'] },
  { name: 'iproute2', commands: ['ip'] },
  { name: 'systemd', commands: ['systemd-analyze'] },
]

/** clang's libraries for -fsanitize, under /usr/lib/llvm-N/lib/clang/N. */
function hasSanitizers() {
  const inside = (folder, pattern) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => pattern.test(name))
          .map((name) => join(folder, name))
      : []
  return (
    inside('/usr/lib', /^llvm-\d+$/)
      .flatMap((llvm) => inside(join(llvm, 'lib', 'clang'), /^\d/))
      .flatMap((clang) => inside(join(clang, 'lib', 'linux'), /^libclang_rt\.asan-/)).length > 0
  )
}
