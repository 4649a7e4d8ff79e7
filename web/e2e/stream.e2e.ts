/** What must hold while agents write, connections break and conversations grow. Needs the mock: it breaks things on purpose. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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

const LONG = 'A very long conversation';
let place: Place;
let seat: Seat;
let page: Page;

const log = () => page.getByRole('log');
const rows = () => log().locator('[data-index]').count();

describe.skipIf(chromiumPath === null || REAL !== null)(
  'a page that is left alone with a busy daemon',
  () => {
    beforeAll(async () => {
      place = await openPlace({ alive: true, longMessages: 10_000 });
    });
    afterAll(async () => {
      await place.close();
      await closeBrowser();
    });
    beforeEach(async () => {
      seat = await place.sit();
      page = seat.page;
      await visit(page, place.origin);
    });
    afterEach(() => seat.close());

    async function open(title: string): Promise<void> {
      await visit(page, `${place.origin}/s/${await sessionId(page, place.origin, title)}`);
      await log().locator('[data-index]').first().waitFor();
    }

    it('shows text as it is written', async () => {
      const [session] = place.mock!.world.sessions;
      const task = place.mock!.world.tasks.find((one) => one.title.startsWith('Fix precedence'))!;
      await open(session!.title);
      place.mock!.play.write(
        session!,
        task,
        'claude',
        'First words, **bold ones**, last words.',
        () => undefined,
      );
      await page.getByText('First words').first().waitFor();
      await page.getByText('last words.').first().waitFor();
      expect(await page.locator('strong', { hasText: 'bold ones' }).count()).toBe(1);
    });

    it('shows a status within the frame it came in, with word and age', async () => {
      const [session] = place.mock!.world.sessions;
      await open(session!.title);
      place.mock!.play.setStatus(session!, 'codex', 'stale', 'no heartbeat');
      const panel = page.getByRole('complementary', { name: 'Agents and locks' });
      await panel.getByText('stale').waitFor();
      await panel.getByText('no heartbeat').waitFor();
      place.mock!.play.setStatus(session!, 'codex', 'running_tool', 'cargo test');
      await panel.getByText('running tool').first().waitFor();
    });

    it('loses no event, draft or place when the daemon goes away and comes back', async () => {
      const session = place.mock!.world.sessions.find((one) => one.title === 'Explain the journal format')!;
      await open(session.title);
      await page.getByRole('textbox', { name: 'Message' }).fill('half a thought');
      place.mock!.away(true);
      await page.getByText(/not reachable/).waitFor();
      // Happens while nobody listens.
      place.mock!.play.prompt(session, 'asked meanwhile', ['kimi']);
      place.mock!.away(false);
      await page.getByText('connected', { exact: true }).waitFor();
      await page.getByText('asked meanwhile').first().waitFor();
      expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('half a thought');
      await page.reload();
      await page.getByRole('textbox', { name: 'Message' }).waitFor();
      expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('half a thought');
    });

    it('takes history in pages and never draws it whole', async () => {
      place.mock!.requests.length = 0;
      await open(LONG);
      const asked = () => place.mock!.requests.filter((one) => one.includes('/messages'));
      expect(asked()).toHaveLength(1);
      expect(await page.locator('*').count()).toBeLessThan(2000);
      await log().evaluate((element) => element.scrollTo(0, 0));
      await expect.poll(() => asked().length).toBeGreaterThan(1);
      for (const one of asked()) expect(one).toContain('limit=200');
      expect(await page.locator('*').count()).toBeLessThan(2000);
    });

    it('has rows in every frame of a fast scroll', async () => {
      await open(LONG);
      const blanks = await log().evaluate(async (element) => {
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        let blank = 0;
        for (let i = 0; i < 120; i += 1) {
          element.scrollTop -= 120;
          await frame();
          await frame();
          const view = element.getBoundingClientRect();
          const middle = view.top + view.height / 2;
          const covered = [...element.querySelectorAll('[data-index]')].some((row) => {
            const box = row.getBoundingClientRect();
            return box.top <= middle && box.bottom >= middle;
          });
          if (!covered) blank += 1;
        }
        return blank;
      });
      expect(blanks).toBe(0);
      expect(await rows()).toBeGreaterThan(5);
    });

    it('keeps the row one reads where it is while history is put above and messages below', async () => {
      await open(LONG);
      await log().evaluate((element) => element.scrollTo(0, Math.max(600, element.scrollHeight / 3)));
      await page.waitForTimeout(300);
      const anchor = await log().evaluate((element) => {
        const view = element.getBoundingClientRect();
        const row = [...element.querySelectorAll('[data-index]')].find(
          (one) => one.getBoundingClientRect().top > view.top + 100,
        )!;
        return {
          key: row.getAttribute('data-key')!,
          top: row.getBoundingClientRect().top,
        };
      });
      const session = place.mock!.world.sessions.find((one) => one.title === LONG)!;
      for (let i = 0; i < 10; i += 1) place.mock!.play.prompt(session, `from below ${i}`, ['claude']);
      await page.getByRole('button', { name: /new message|Latest/ }).waitFor();
      await page.waitForTimeout(500);
      const top = await log()
        .locator(`[data-key="${anchor.key}"]`)
        .evaluate((row) => row.getBoundingClientRect().top);
      expect(Math.abs(top - anchor.top)).toBeLessThanOrEqual(1);
    });

    it('follows the end while one is there', async () => {
      const session = place.mock!.world.sessions.find((one) => one.title === 'Port the help texts')!;
      await open(session.title);
      for (let i = 0; i < 6; i += 1) place.mock!.play.prompt(session, `one more ${i}`, ['claude']);
      await page.getByText('one more 5').first().waitFor();
      await expect
        .poll(() =>
          log().evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight),
        )
        .toBeLessThanOrEqual(64);
    });

    it('gives refused words back', async () => {
      await open('Explain the journal format');
      const field = page.getByRole('textbox', { name: 'Message' });
      await field.fill('[[refuse]] please');
      await page.keyboard.press('Control+Enter');
      await page
        .getByRole('alert')
        .getByText(/64 tasks waiting/)
        .waitFor();
      expect(await field.inputValue()).toBe('[[refuse]] please');
      await field.fill('');
    });

    it('asks before it breaks a lock, and then the table says so', async () => {
      await visit(page, `${place.origin}/coord`);
      const path = 'tests/overflow.rs';
      await page.getByRole('button', { name: `Break the lock on ${path}` }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Keep going' }).click();
      expect(await page.getByRole('row', { name: new RegExp(path) }).count()).toBe(1);
      await page.getByRole('button', { name: `Break the lock on ${path}` }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Break lock' }).click();
      await page.getByRole('row', { name: new RegExp(path) }).waitFor({ state: 'detached' });
    });

    it('starts a session from the box and goes there', async () => {
      await page.getByRole('textbox', { name: 'What should be done?' }).fill('Tidy the imports');
      await page.getByRole('button', { name: 'Prompt' }).click();
      await page.getByRole('button', { name: /^Start/ }).click();
      await page.waitForURL('**/s/*');
      await page.getByRole('heading', { name: 'Tidy the imports' }).waitFor();
      await page.getByRole('navigation', { name: 'Sessions' }).getByText('Tidy the imports').waitFor();
    });

    it('says that it is signed out when the cookie is no longer good', async () => {
      const other = await openPlace();
      const guest = await other.sit();
      await visit(guest.page, other.origin);
      other.mock!.signOut();
      await guest.page.getByText('This page is not signed in').waitFor();
      await guest.close();
      await other.close();
    });
  },
);
