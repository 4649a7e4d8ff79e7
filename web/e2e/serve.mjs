// `npm run mock`: the mock daemon on its own, for looking at the page.
import { runnerImport } from 'vite';

const { module } = await runnerImport(new URL('./mock.ts', import.meta.url).pathname);
const mock = await module.startMock({
  port: Number(process.env.PORT ?? 4317),
  alive: process.argv.includes('--alive'),
  empty: process.argv.includes('--empty'),
});
process.stdout.write(`${mock.launch}\n`);
