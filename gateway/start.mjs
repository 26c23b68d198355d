/**
 * `npm start`: from a fresh clone to a running daemon. Arguments go to the daemon (`npm start -- --config FILE`), which
 * then runs in this very process, so that signals, standard streams and the exit status are its own.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  BUILD_PACKAGES,
  ROOT,
  requireBuild,
  requireModules,
  requireNode,
  requirePackages,
} from './prepare.mjs'

requireNode()
await requirePackages(BUILD_PACKAGES)
await requireModules()
await requireBuild()

process.setSourceMapsEnabled(true)
await import(pathToFileURL(join(ROOT, 'dist', 'gateway', 'main.js')).href)
