import { unwatchFile, watchFile } from 'node:fs'

/** How often files are looked at. A certificate lives for weeks; its files are small and few. */
const WATCH_INTERVAL_MS = 5_000

/**
 * Calls back whenever one of the files is another than at the last look. Files are looked at rather than waited for:
 * `inotify` sees nothing of what a symbolic link far up the path now leads to, which is how certbot and Kubernetes
 * renew, and nothing on a network file system. Returns how to stop.
 */
export function watchFiles(
  paths: readonly string[],
  onChange: () => void,
  intervalMs = WATCH_INTERVAL_MS,
): () => void {
  // One listener of our own for each watch, since `unwatchFile` takes away by listener.
  const listener = (): void => onChange()
  for (const path of paths) watchFile(path, { persistent: false, interval: intervalMs }, listener)
  return () => {
    for (const path of paths) unwatchFile(path, listener)
  }
}
