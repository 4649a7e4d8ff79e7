/** Who is on the bus and what they tell each other, as a person sees it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath, closeBrowser, openPlace, REAL, visit, type Place } from './place';

describe.skipIf(chromiumPath === null || REAL !== null)('the page of locks and notices', () => {
  let place: Place;
  beforeAll(async () => {
    place = await openPlace();
  });
  afterAll(async () => {
    await place.close();
    await closeBrowser();
  });

  it('tells a session that is silent from one that lives, and says what a notice asks for', async () => {
    const seat = await place.sit();
    const { page } = seat;
    await visit(page, `${place.origin}/coord`);
    const terminal = page.getByRole('listitem').filter({ hasText: 'Claude-terminal' });
    await terminal.waitFor();
    expect(await terminal.innerText()).toMatch(/suspect[\s\S]*pts\/3 · website[\s\S]*Landing page/);
    const notice = page.getByRole('listitem').filter({ hasText: 'parse_unary now binds tighter' });
    await notice.getByText('1 of 2 acknowledged').waitFor();
    const thread = notice.getByRole('button', { name: 'Thread precedence' });
    await thread.focus();
    await page.keyboard.press('Enter');
    await page.getByText('Rounding is on hold').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'show all threads' }).click();
    await page.getByText('Rounding is on hold').waitFor();
    expect(seat.complaints).toEqual([]);
    await seat.close();
  });
});
