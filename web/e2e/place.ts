/**
 * Where the tests run: against the mock daemon, or against a real one when `CODITECT_E2E_URL` is its launch link.
 * Anything the page complains about, and any request that leaves its origin, fails the test.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { findChromium, launch } from './browser';
import { startMock, type Mock, type MockOptions } from './mock';

/** The launch link of a real daemon; without it the mock is used. */
export const REAL = process.env.CODITECT_E2E_URL ?? null;

export const chromiumPath = findChromium();
if (chromiumPath === null) {
  process.stderr.write('SKIPPED: all browser tests. No Chromium in PATH; name one in CODITECT_CHROMIUM.\n');
}

export interface Seat {
  page: Page;
  context: BrowserContext;
  /** What the console said that a clean page would not. */
  complaints: string[];
  close(): Promise<void>;
}

export interface Place {
  origin: string;
  mock: Mock | null;
  sit(options?: BrowserContextOptions): Promise<Seat>;
  close(): Promise<void>;
}

let browser: Browser | null = null;
/** A launch code works once; later contexts get the cookie it was exchanged for. */
let realState: Awaited<ReturnType<BrowserContext['storageState']>> | null = null;

async function signIn(context: BrowserContext, launchLink: string): Promise<void> {
  const page = await context.newPage();
  await page.goto(launchLink);
  await page.close();
}

/** What the tests of every screen break on purpose. */
const BROKEN = [401, 404, 429];

/** Notes what a clean page would not say or ask for. `refused`: what this test has the daemon refuse besides. */
export function listen(page: Page, origin: string, complaints: string[], refused: number[] = []): void {
  const meant = new RegExp(`ERR_|WebSocket|status of (${[...BROKEN, ...refused].join('|')})`);
  page.on('console', (message) => {
    const text = message.text();
    // What the tests break on purpose is not the page's fault.
    if (message.type() === 'error' && !meant.test(text)) complaints.push(text);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { protocol, origin: asked } = new URL(request.url());
    if (protocol !== 'data:' && protocol !== 'blob:' && asked !== origin)
      complaints.push(`left its origin: ${request.url()}`);
  });
}

export async function openPlace(options: MockOptions = {}): Promise<Place> {
  if (chromiumPath === null) throw new Error('no Chromium');
  browser ??= await launch(chromiumPath);
  const opened = browser;
  const mock = REAL === null ? await startMock(options) : null;
  const origin = new URL(REAL ?? mock?.origin ?? '').origin;
  return {
    origin,
    mock,
    async sit(contextOptions = {}) {
      const context = await opened.newContext({
        viewport: { width: 1440, height: 900 },
        // Contrast is measured on what stays, not on what fades in.
        reducedMotion: 'reduce',
        ...contextOptions,
        ...(realState ? { storageState: realState } : {}),
      });
      if (mock) await signIn(context, mock.launch);
      else if (!realState && REAL) {
        await signIn(context, REAL);
        realState = await context.storageState();
      }
      const page = await context.newPage();
      const complaints: string[] = [];
      listen(page, origin, complaints);
      return {
        page,
        context,
        complaints,
        async close() {
          await context.close();
          expect(complaints).toEqual([]);
        },
      };
    },
    async close() {
      await mock?.close();
    },
  };
}

export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = null;
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Rule and place of every violation that axe finds on the page as it is now. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    interface Found {
      violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[];
    }
    const { axe } = window as unknown as { axe: { run(options: object): Promise<Found> } };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const found = await axe.run({ runOnly: tags });
    return found.violations.flatMap((one) =>
      one.nodes.map(
        (node) => `${one.id}: ${node.target.join(' ')} ${node.failureSummary.replaceAll('\n', ' ')}`,
      ),
    );
  });
}

/** Goes somewhere and waits until the screen has its data. */
export async function visit(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.getByText('connected', { exact: true }).waitFor();
  await page.waitForLoadState('networkidle');
}

/** The short id of the session with this title, or of the newest one. */
export async function sessionId(page: Page, origin: string, title?: string): Promise<string | null> {
  return page.evaluate(
    async ([address, wanted]) => {
      const answer = await fetch(`${address}/api/v1/sessions?limit=200`);
      const { items } = (await answer.json()) as { items: { title: string; short_id: string }[] };
      return (wanted ? items.find((one) => one.title === wanted) : items[0])?.short_id ?? null;
    },
    [origin, title] as const,
  );
}
