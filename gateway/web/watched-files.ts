import { statSync } from 'node:fs'
import { stat } from 'node:fs/promises'

/** How often files are looked at. A certificate lives for weeks; its files are small and few. */
const WATCH_INTERVAL_MS = 5_000

/** What changes with a file, wherever its symbolic links lead. */
const signOf = (stats: { readonly ino: number; readonly size: number; readonly mtimeMs: number }): string =>
  `${stats.ino} ${stats.size} ${stats.mtimeMs}`

const MISSING = ''

/**
 * Calls back whenever one of the files is another than at the last look, the first of which is the call itself. Files are looked
 * at rather than waited for: `inotify` sees nothing of what a symbolic link far up the path now leads to, which is how certbot and
 * Kubernetes renew, and nothing on a network file system. Returns how to stop.
 */
export function watchFiles(
  paths: readonly string[],
  onChange: () => void,
  intervalMs = WATCH_INTERVAL_MS,
): () => void {
  // Not `watchFile` of Node.js: its first look is later than this call, and what was renewed in between it never tells.
  let seen = paths.map((path) => {
    try {
      return signOf(statSync(path))
    } catch {
      return MISSING
    }
  })
  let isLooking = false
  let isOver = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const now = await Promise.all(paths.map((path) => stat(path).then(signOf, () => MISSING)))
    isLooking = false
    if (isOver) return
    const hasChanged = now.some((sign, at) => sign !== seen[at])
    seen = now
    if (hasChanged) onChange()
  }
  const timer = setInterval(() => void look(), intervalMs)
  timer.unref()
  return () => {
    isOver = true
    clearInterval(timer)
  }
}
