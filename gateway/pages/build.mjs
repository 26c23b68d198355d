/** Bundles the softphone page into dist/gateway/pages. Run from anywhere: `node gateway/pages/build.mjs`. */
import { copyFile, mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = fileURLToPath(new URL('.', import.meta.url))
const target = fileURLToPath(new URL('../../dist/gateway/pages/', import.meta.url))

await mkdir(target, { recursive: true })
await Promise.all([
  build({
    entryPoints: [`${source}softphone.ts`],
    outfile: `${target}softphone.js`,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
  }),
  copyFile(`${source}index.html`, `${target}index.html`),
  copyFile(`${source}style.css`, `${target}style.css`),
])
