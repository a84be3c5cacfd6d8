// First lines of a bundle in ESM format: packages in it that are CommonJS ask for `require` and their place.
export const requireBanner = [
  "import { createRequire as bundleCreateRequire } from 'node:module'",
  "import { fileURLToPath as bundleFileURLToPath } from 'node:url'",
  "import { dirname as bundleDirname } from 'node:path'",
  'const require = bundleCreateRequire(import.meta.url)',
  'const __filename = bundleFileURLToPath(import.meta.url)',
  'const __dirname = bundleDirname(__filename)',
].join('\n')
