/** `npm run build`: everything that the daemon is, into dist/. */
import { build } from './prepare.mjs'

await build()
