/** Checkpoints of a session: listed where one looks for changes, and restored by keyboard, after one was asked. */
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

const NAME = 'After a turn of codex';

let seat: Seat | null = null;
let place: Place;

describe.skipIf(chromiumPath === null || REAL !== null)('a checkpoint', () => {
  beforeAll(closeBrowser);
  afterAll(closeBrowser);
  afterEach(async () => {
    await seat?.close();
    await place.close();
  });

  it('is restored by keyboard alone, after it was asked', async () => {
    place = await openPlace();
    seat = await place.sit({ colorScheme: 'dark' });
    const { page } = seat;
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/restore')) sent.push(request.method());
    });
    await visit(page, place.origin);
    const short = await page.evaluate(async () => {
      const all = (await (await fetch('/api/v1/sessions')).json()) as { items: { short_id: string }[] };
      for (const { short_id: id } of all.items) {
        const made = await fetch(`/api/v1/sessions/${id}/checkpoints`);
        const { items } = (await made.json()) as { items: { kind: string }[] };
        if (items.some((one) => one.kind === 'after_turn')) return id;
      }
      return '';
    });
    await visit(page, `${place.origin}/s/${short}?tab=changes`);
    const list = page.getByRole('list', { name: 'Checkpoints' });
    await list.getByText(NAME).waitFor();
    await list.getByRole('button', { name: `Restore files: ${NAME}` }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('group', { name: `Restore all files: ${NAME}` }).waitFor();
    expect(sent).toEqual([]);
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await list.getByRole('button', { name: `Restore files: ${NAME}` }).focus();
    expect(sent).toEqual([]);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await page.getByText('2 files are back.').waitFor();
    expect(sent).toEqual(['POST']);
  });
});
