/**
 * The demo's story on the page of the real product, by keyboard alone: four agents are asked to repair a library, one
 * waits for another's lock, one dies, one asks and is answered, and the tests pass. No test here touches a pointer.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch } from './browser';
import { chromiumPath, listen, violations, visit } from './place';
import { findBinary, startReal, type Real } from './real';

const binary = findBinary();
if (binary === null) {
  process.stderr.write(
    'SKIPPED: the page on the real product. There is no binary; `cargo build -p coditect` makes one.\n',
  );
}

const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const label = (element as HTMLTextAreaElement | null)?.labels?.[0]?.textContent;
    return element?.getAttribute('aria-label') ?? label ?? element?.tagName ?? '';
  });

describe.skipIf(binary === null || chromiumPath === null)('the demo on the real page', () => {
  let real: Real;
  let browser: Browser;
  let page: Page;
  let origin: string;
  let waited: Promise<unknown>;
  const complaints: string[] = [];

  beforeAll(async () => {
    if (!existsSync(fileURLToPath(new URL('../dist/index.html', import.meta.url))))
      throw new Error('the page is not built: `npm run build`');
    real = await startReal(binary ?? '');
    origin = new URL(real.launch).origin;
    browser = await launch(chromiumPath ?? '');
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      reducedMotion: 'reduce',
      colorScheme: 'light',
    });
    page = await context.newPage();
    listen(page, origin, complaints);
    await page.goto(real.launch);
    await page.getByText('connected', { exact: true }).waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await real?.stop();
  });

  it('is signed in by its link, and the link works once', async () => {
    expect(page.url()).toBe(`${origin}/`);
    expect(await page.evaluate(() => document.cookie)).toBe('');
    const again = await browser.newContext();
    const answer = await again.request.get(real.launch, { maxRedirects: 0 });
    expect(answer.status()).toBe(401);
    await again.close();
  });

  it('four agents are asked together, from the keyboard', async () => {
    await page.keyboard.press('c');
    await expect.poll(() => focused(page)).toBe('What should be done?');
    await page.keyboard.insertText(real.prompt);
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/\/s\/\w+$/);
    const agents = page.getByRole('complementary', { name: 'Agents and locks' });
    for (const name of ['Claude', 'Gemini', 'Kimi', 'Codex']) {
      await agents.getByText(name, { exact: true }).first().waitFor();
    }
    await page.getByText(/^Show \d+ more lines$/).waitFor();
    // It may come and go while the question is answered.
    waited = Promise.all([
      agents.getByText('waiting for lock').first().waitFor({ timeout: 120_000 }),
      agents
        .getByText(/^src\/index\.js \(held by (kimi|codex)\)$/)
        .first()
        .waitFor({ timeout: 120_000 }),
    ]);
    // Whoever fails before it is awaited has said so already.
    waited.catch(() => undefined);
  });

  it('what the model asks is seen at once and answered where one is', async () => {
    const question = /Half of Europe writes 1,5h/;
    const box = page.getByRole('textbox', { name: question });
    await box.waitFor();
    await page.keyboard.press('Escape');
    await page.locator('body').evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await page.keyboard.press('q');
    await expect.poll(() => focused(page)).toMatch(question);
    await page.keyboard.type('Yes, take it.');
    await page.keyboard.press('Enter');
    await box.waitFor({ state: 'detached' });
  });

  it('a wait for a lock is seen: who waits, for what, because of whom', async () => {
    await waited;
  });

  it('why the work was shared out so is told in the conversation', async () => {
    const plan = page.getByRole('region', { name: 'Plan', exact: true });
    await page.keyboard.press('Escape');
    await expect
      .poll(async () => {
        await page.getByRole('log', { name: 'Transcript' }).focus();
        await page.keyboard.press('Home');
        return plan.count();
      })
      .toBe(1);
    await plan.getByText(/is wanted by claude and gemini/).waitFor();
  });

  it('the tests pass, the dead is named, and git says who did what', async () => {
    const plan = page.getByRole('region', { name: 'Plan', exact: true });
    await plan.getByText('4 tasks done · 53 tests passed').waitFor({ timeout: 120_000 });
    await page.keyboard.press('End');
    await page.getByText('attempt 2').waitFor();
    await page.getByText('Attempt 1 failed').waitFor();
    const log = real.git('log', '--format=%B');
    for (const agent of ['claude', 'gemini', 'kimi', 'codex'])
      expect(log).toContain(`Co-authored-by: ${agent} `);
    expect(real.git('status', '--porcelain')).toBe('');
    expect(JSON.parse(real.cli('data', 'verify', '--json'))).toMatchObject({ ok: true });
  });

  it('has no violation anywhere, in light and dark', async () => {
    const session = page.url();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const address of [
        `${origin}/`,
        session,
        `${session}?tab=plan`,
        `${session}?tab=changes`,
        `${origin}/coord`,
      ]) {
        await visit(page, address);
        expect(await violations(page), `${address} ${colorScheme}`).toEqual([]);
      }
    }
  });

  it('nothing was complained about, and nothing left its origin', () => {
    expect(complaints).toEqual([]);
  });
});
