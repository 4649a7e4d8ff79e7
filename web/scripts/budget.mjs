// Fails when the page is heavier than the project allows. Figures are gzip -9, in kB of 1000 bytes.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET = { initialJs: 200, initialCss: 20, lazyChunk: 170, whole: 1200 };

const dist = new URL('../dist', import.meta.url).pathname;
const weigh = async (file) => gzipSync(await readFile(join(dist, file)), { level: 9 }).length / 1000;
const html = await readFile(join(dist, 'index.html'), 'utf8');
const linked = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((match) => match[1]);

const assets = (await readdir(dist, { recursive: true })).filter((file) => /\.(js|css|html|svg)$/.test(file));
const sizes = Object.fromEntries(await Promise.all(assets.map(async (file) => [file, await weigh(file)])));
const sum = (files) => files.reduce((total, file) => total + sizes[file], 0);

const lazy = assets.filter((file) => file.endsWith('.js') && !linked.includes(file));
const figures = {
  initialJs: sum(linked.filter((file) => file.endsWith('.js'))),
  initialCss: sum(linked.filter((file) => file.endsWith('.css'))),
  lazyChunk: Math.max(0, ...lazy.map((file) => sizes[file])),
  whole: sum(assets),
};

let over = false;
for (const [name, kilobytes] of Object.entries(figures)) {
  const late = kilobytes > BUDGET[name];
  over ||= late;
  console.log(
    `${late ? 'OVER' : 'ok  '}  ${name.padEnd(10)} ${kilobytes.toFixed(1).padStart(7)} kB of ${BUDGET[name]}`,
  );
}
await Promise.all(linked.map((file) => stat(join(dist, `${file}.gz`))));
process.exitCode = over ? 1 : 0;
