import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  cacheDir: fileURLToPath(new URL('../node_modules/.vite', import.meta.url)),
  resolve: { alias: { '@': fileURLToPath(new URL('../src', import.meta.url)) } },
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.e2e.ts'],
    environment: 'node',
    // One browser, one daemon: the tests take turns.
    fileParallelism: false,
    // A launch link works once: what it was exchanged for is shared by all files.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
