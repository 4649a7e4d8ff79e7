/** The inbox of permissions: seen everywhere, decided by keyboard, gone the moment somebody decided. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  chromiumPath,
  closeBrowser,
  openPlace,
  REAL,
  violations,
  visit,
  type Place,
  type Seat,
} from './place';

const SUMMARY = 'Run the overflow tests with a fresh lock file';

let seat: Seat | null = null;
let place: Place;

describe.skipIf(chromiumPath === null || REAL !== null)('a permission', () => {
  beforeAll(closeBrowser);
  afterAll(closeBrowser);
  afterEach(async () => {
    await seat?.close();
    await place.close();
  });

  it('is decided by keyboard alone, about exactly what is shown, and is gone', async () => {
    place = await openPlace();
    seat = await place.sit({ colorScheme: 'dark' });
    const { page } = seat;
    const sent: unknown[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/decide')) sent.push(request.postDataJSON());
    });
    await visit(page, place.origin);
    const box = page.getByRole('region', { name: SUMMARY });
    await box.waitFor();
    await box.getByText('cargo update && cargo test --test overflow -- --nocapture').waitFor();
    await page.getByText('1 permission to decide').waitFor({ state: 'attached' });
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('p');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.type('not today');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await box.waitFor({ state: 'detached' });
    expect(sent).toEqual([{ allow: false, scope: 'session', reason: 'not today', arguments_hash: '7c1d' }]);
    expect(await page.getByText('to decide').count()).toBe(0);
  });

  it('stands in its session, and what somebody else decided is gone there too', async () => {
    place = await openPlace();
    seat = await place.sit({ colorScheme: 'light' });
    const { page } = seat;
    await visit(page, place.origin);
    await page.getByRole('region', { name: SUMMARY }).getByRole('link').click();
    await page.waitForURL('**/s/*');
    const box = page.getByRole('region', { name: SUMMARY });
    await box.waitFor();
    expect(await violations(page)).toEqual([]);
    const origin = place.origin;
    await page.evaluate(async () => {
      const open = (await (await fetch('/api/v1/permissions')).json()) as { items: { id: string }[] };
      await fetch(`/api/v1/permissions/${open.items[0]?.id}/decide`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ allow: true, arguments_hash: '7c1d' }),
      });
    });
    await box.waitFor({ state: 'detached' });
    expect(page.url().startsWith(origin)).toBe(true);
  });
});
