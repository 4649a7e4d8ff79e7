/** Every route in both themes, full and empty, wide and narrow: no violation axe knows of, nothing cut off. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  chromiumPath,
  closeBrowser,
  openPlace,
  REAL,
  sessionId,
  violations,
  visit,
  type Place,
  type Seat,
} from './place';

const THEMES = ['light', 'dark'] as const;
const TABS = ['', '?tab=plan', '?tab=changes'];

let seat: Seat | null = null;
afterEach(async () => {
  const open = seat;
  seat = null;
  await open?.close();
});
afterAll(closeBrowser);

describe.skipIf(chromiumPath === null)('a working workspace', () => {
  let place: Place;
  beforeAll(async () => {
    place = await openPlace();
  });
  afterAll(() => place.close());

  async function routes(sat: Seat): Promise<string[]> {
    await visit(sat.page, place.origin);
    const id = await sessionId(sat.page, place.origin);
    return [
      '/',
      '/coord',
      '/board',
      ...(id === null ? [] : TABS.map((tab) => `/s/${id}${tab}`)),
      '/nowhere/at/all',
    ];
  }

  for (const colorScheme of THEMES) {
    it(`has no violation on any route in the ${colorScheme} theme`, async () => {
      seat = await place.sit({ colorScheme });
      for (const route of await routes(seat)) {
        await visit(seat.page, place.origin + route);
        expect(await violations(seat.page), route).toEqual([]);
      }
    });

    it(`has no violation in its overlays in the ${colorScheme} theme`, async () => {
      seat = await place.sit({ colorScheme });
      const { page } = seat;
      await visit(page, place.origin);
      for (const [keys, name] of [
        ['Control+k', 'Command palette'],
        ['Shift+?', 'Keyboard shortcuts'],
      ] as const) {
        await page.keyboard.press(keys);
        await page.getByRole('dialog', { name }).waitFor();
        expect(await violations(page), name).toEqual([]);
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'detached' });
      }
    });

    it(`has no violation on a narrow page in the ${colorScheme} theme`, async () => {
      seat = await place.sit({ colorScheme, viewport: { width: 400, height: 860 } });
      const { page } = seat;
      for (const route of await routes(seat)) {
        await visit(page, place.origin + route);
        expect(await violations(page), route).toEqual([]);
      }
      await visit(page, place.origin);
      await page.getByRole('button', { name: 'Sessions' }).click();
      await page.getByRole('dialog').waitFor();
      expect(await violations(page), 'drawer').toEqual([]);
    });
  }

  it('needs no sideways scrolling at 320 pixels', async () => {
    seat = await place.sit({ viewport: { width: 320, height: 640 } });
    for (const route of await routes(seat)) {
      await visit(seat.page, place.origin + route);
      const over = await seat.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(over, route).toBeLessThanOrEqual(0);
      const wide = await seat.page.locator('main').evaluate((main) =>
        [...main.querySelectorAll('*')]
          .filter((one) => getComputedStyle(one).overflowX === 'visible')
          .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
          .filter((one) => !one.closest('.overflow-x-auto, pre, table'))
          .map((one) => `${one.tagName}.${one.className}`)
          .slice(0, 3),
      );
      expect(wide, route).toEqual([]);
    }
  });

  it('has no violation when the system forces its own colours', async () => {
    seat = await place.sit({ forcedColors: 'active' });
    await visit(seat.page, place.origin);
    expect(await violations(seat.page)).toEqual([]);
  });
});

describe.skipIf(chromiumPath === null || REAL !== null)('an empty workspace', () => {
  let place: Place;
  beforeAll(async () => {
    place = await openPlace({ empty: true });
  });
  afterAll(() => place.close());

  for (const colorScheme of THEMES) {
    it(`says what to do next, without a violation, in the ${colorScheme} theme`, async () => {
      seat = await place.sit({ colorScheme });
      const { page } = seat;
      await visit(page, place.origin);
      await page.getByText('coditect demo').waitFor();
      expect(await violations(page)).toEqual([]);
      await visit(page, `${place.origin}/coord`);
      await page.getByText('coditect lock acquire').waitFor();
      expect(await violations(page)).toEqual([]);
      await visit(page, `${place.origin}/s/unknown`);
      await page.getByRole('alert').waitFor();
      expect(await violations(page)).toEqual([]);
    });
  }
});

describe.skipIf(chromiumPath === null || REAL !== null)('a page nobody let in', () => {
  it('says how to get in', async () => {
    const place = await openPlace();
    seat = await place.sit();
    await seat.context.clearCookies();
    await seat.page.goto(place.origin);
    await seat.page.getByText('coditect up').waitFor();
    expect(await violations(seat.page)).toEqual([]);
    await place.close();
  });
});
