/** The page by keyboard alone. No test here touches a pointer. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import {
  chromiumPath,
  closeBrowser,
  openPlace,
  REAL,
  sessionId,
  visit,
  type Place,
  type Seat,
} from './place';

let place: Place;
let seat: Seat;

const focused = (page: Page) =>
  page.evaluate(
    () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.tagName ?? '',
  );

async function run(page: Page, command: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog').getByRole('combobox').waitFor();
  await page.keyboard.type(command);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

describe.skipIf(chromiumPath === null)('by keyboard alone', () => {
  beforeAll(async () => {
    place = await openPlace();
  });
  afterAll(async () => {
    await place.close();
    await closeBrowser();
  });
  afterEach(() => seat.close());

  it('a session is opened, two agents are asked, a question is answered, locks are looked at', async () => {
    seat = await place.sit({ colorScheme: 'light' });
    const { page } = seat;
    await visit(page, place.origin);
    const id = await sessionId(page, place.origin, REAL ? undefined : 'Explain the journal format');
    const title = await page.evaluate(async (short) => {
      const answer = await fetch(`/api/v1/sessions/${short}`);
      return ((await answer.json()) as { title: string }).title;
    }, id);

    // Open it through the switcher.
    await page.keyboard.press('Control+p');
    await page.getByRole('dialog').getByRole('combobox').waitFor();
    await page.keyboard.type(title);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/s/${id}`);

    // Write, choose who gets it, send.
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    await page.keyboard.press('i');
    expect(await focused(page)).toBe('Message');
    const seats = await page.getByRole('group', { name: 'Targets' }).getByRole('button').count();
    await page.keyboard.press('Alt+1');
    if (seats > 2) await page.keyboard.press('Alt+2');
    await page.keyboard.type('[[ask Left or right?]]');
    await page.keyboard.press('Control+Enter');

    // The question comes; answer it where it stands.
    const question = page.getByRole('textbox', { name: 'Left or right?' }).first();
    await question.waitFor();
    await page.keyboard.press('Escape');
    expect(await focused(page)).not.toBe('Message');
    await page.keyboard.press('q');
    await page.keyboard.type('left');
    await page.keyboard.press('Enter');
    await page.getByText(/left/).first().waitFor();

    // Look at the locks, and back.
    await page.keyboard.press('Escape');
    await page.locator('body').evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await page.keyboard.press('g');
    await page.keyboard.press('l');
    await page.getByRole('heading', { name: 'Locks and notices' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await page.getByRole('heading', { name: 'Mission control' }).waitFor();
  });

  it('the theme is changed from the palette and by one key, and stays without a flash', async () => {
    seat = await place.sit({ colorScheme: 'light' });
    const { page } = seat;
    await visit(page, place.origin);
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    await run(page, 'theme dark');
    await expect.poll(background).not.toBe(light);
    const dark = await background();
    // The theme is there before the first script of the page has run.
    await page.route('**/assets/*.js', (route) => route.abort());
    await page.goto(place.origin);
    expect(await background()).toBe(dark);
    await page.unroute('**/assets/*.js');
    await visit(page, place.origin);
    await page.keyboard.press('Shift+T');
    await expect.poll(background).toBe(light);
  });

  it('Escape closes what is open and interrupts nothing', async () => {
    seat = await place.sit();
    const { page } = seat;
    const orders: string[] = [];
    page.on('request', (request) => {
      // That somebody looks at a session is said, and no order.
      if (request.method() !== 'GET' && !request.url().endsWith('/attach')) orders.push(request.url());
    });
    await visit(page, place.origin);
    const id = await sessionId(page, place.origin);
    await visit(page, `${place.origin}/s/${id}`);
    for (const keys of ['Control+k', 'Shift+?', 'Control+p']) {
      await page.keyboard.press(keys);
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
    for (let i = 0; i < 5; i += 1) await page.keyboard.press('Escape');
    expect(orders).toEqual([]);
  });

  it('single letters are text in a text field', async () => {
    seat = await place.sit();
    const { page } = seat;
    await visit(page, place.origin);
    await page.keyboard.press('c');
    await expect.poll(() => focused(page)).toBe('What should be done?');
    await page.keyboard.type('ghl ?caj');
    expect(await page.getByRole('textbox', { name: 'What should be done?' }).inputValue()).toBe('ghl ?caj');
    expect(new URL(page.url()).pathname).toBe('/');
  });

  it('Tab reaches everything, focus is always seen, and nothing holds it', async () => {
    seat = await place.sit();
    const { page } = seat;
    await visit(page, place.origin);
    const reached = new Set<string>();
    let unseen = '';
    for (let i = 0; i < 120; i += 1) {
      await page.keyboard.press('Tab');
      const now = await page.evaluate(() => {
        const element = document.activeElement as HTMLElement | null;
        if (!element || element === document.body) return null;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const box = element.closest('form')?.contains(element) && element.tagName === 'TEXTAREA';
        const seen = outlineStyle !== 'none' && outlineWidth !== '0px';
        const splitter = element.getAttribute('role') === 'separator';
        const name = element.getAttribute('aria-label') ?? element.textContent ?? '';
        return {
          name: `${element.tagName} ${name.trim().slice(0, 40)}`,
          seen: seen || Boolean(box) || splitter,
        };
      });
      if (now === null) break;
      reached.add(now.name);
      if (!now.seen) unseen = now.name;
    }
    expect(unseen).toBe('');
    const all = [...reached].join('\n');
    for (const name of [
      'Skip to content',
      'New session',
      'What should be done?',
      'Width of the session list',
    ]) {
      expect(all).toContain(name);
    }
  });

  it('j and k walk the rows, ? shows every key', async () => {
    seat = await place.sit();
    const { page } = seat;
    await visit(page, place.origin);
    await page.keyboard.press('j');
    const first = await page.evaluate(() => document.activeElement?.hasAttribute('data-row'));
    expect(first).toBe(true);
    await page.keyboard.press('Shift+?');
    const sheet = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await sheet.waitFor();
    expect(await sheet.locator('kbd').count()).toBeGreaterThan(30);
    await page.keyboard.press('Escape');
  });
});
