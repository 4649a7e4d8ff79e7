/** Boards: a card is dropped in a zone with the pointer, by keys and from the list, and each time it is one drop. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
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

let place: Place;
let seat: Seat;

const drops = () => place.mock?.requests.filter((one) => one.startsWith('PATCH /api/v1/cards/')) ?? [];
const prompts = (title: string) =>
  place.mock?.world.tasks.filter((one) => one.prompt === `Review ${title}`).length ?? 0;
const titleOf = (card: number) => place.mock?.world.boards[0]?.cards[card]?.title ?? '';
const grip = (page: Page, title: string) =>
  page.getByRole('list', { name: 'Cards' }).getByRole('button', { name: title });

describe.skipIf(chromiumPath === null || REAL !== null)('a board', () => {
  beforeEach(async () => {
    place = await openPlace();
    seat = await place.sit();
    await visit(seat.page, `${place.origin}/board`);
    await seat.page.getByRole('region', { name: 'Board Release' }).waitFor();
  });
  afterEach(async () => {
    await seat.close();
    await place.close();
  });
  afterAll(closeBrowser);

  it('is shown with how its sessions are, and no violation with a card and with a zone open', async () => {
    const { page } = seat;
    const cards = page.getByRole('list', { name: 'Cards' });
    expect(await cards.getByText('editing').count()).toBeGreaterThan(0);
    await cards.locator('strong', { hasText: 'Ann' }).waitFor();
    await grip(page, titleOf(0)).click();
    await page.getByText('Who tests this?').waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Review', exact: true }).click();
    await page.getByRole('textbox', { name: 'Prompt' }).waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('prompts once when a card is dragged into a zone with the pointer', async () => {
    const { page } = seat;
    const title = titleOf(0);
    const from = await grip(page, title).boundingBox();
    const to = await page.getByRole('region', { name: 'Zone Review' }).boundingBox();
    if (!from || !to) throw new Error('nothing is drawn');
    await page.mouse.move(from.x + 20, from.y + 8);
    await page.mouse.down();
    await page.mouse.move(from.x + 60, from.y + 30);
    await page.mouse.move(to.x + 60, to.y + 120, { steps: 5 });
    expect(drops(), 'nothing is told before the drop').toEqual([]);
    await page.mouse.up();
    await page.getByRole('list', { name: 'Cards' }).getByText('Prompted').waitFor();
    expect([drops().length, prompts(title)]).toEqual([1, 1]);
    // Looking again sets nothing off.
    await visit(page, `${place.origin}/board?b=release`);
    await page.getByRole('list', { name: 'Cards' }).getByText('Prompted').waitFor();
    expect(prompts(title)).toBe(1);
  });

  it('does the same by keys, says where the card is, and Escape puts it back', async () => {
    const { page } = seat;
    const title = titleOf(0);
    await grip(page, title).focus();
    await page.keyboard.press('Space');
    for (let i = 0; i < 2; i += 1) await page.keyboard.press('Shift+ArrowRight');
    await page.getByText('In Review, at 400, 0').waitFor({ state: 'attached' });
    await page.keyboard.press('Escape');
    await page.getByText('Put back where it was').waitFor({ state: 'attached' });
    expect(drops()).toEqual([]);
    await page.keyboard.press('Space');
    for (let i = 0; i < 2; i += 1) await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    await page.getByRole('list', { name: 'Cards' }).getByText('Prompted').waitFor();
    expect([drops().length, prompts(title)]).toEqual([1, 1]);
    expect(place.mock?.world.boards[0]?.cards[0]?.place).toMatchObject({ x: 400, y: 20 });
    const held = await page.evaluate(() => document.activeElement?.getAttribute('data-card'));
    expect(held, 'the focus stays on the card').toBe(place.mock?.world.boards[0]?.cards[0]?.id);
  });

  it('asks first where the zone says so, and does it on a word', async () => {
    const { page } = seat;
    await grip(page, titleOf(1)).click();
    await page.getByRole('combobox', { name: 'Drop in a zone' }).selectOption({ label: 'Ship' });
    await page.getByRole('list', { name: 'Cards' }).getByText('Waits for your word').waitFor();
    const shipped = () => place.mock?.world.tasks.filter((one) => one.prompt.startsWith('Ship ')).length;
    expect(shipped()).toBe(0);
    await page.getByRole('button', { name: 'Do it' }).click();
    await page.getByRole('list', { name: 'Cards' }).getByText('Prompted').waitFor();
    expect(shipped()).toBe(1);
  });

  it('says what was refused, and the card stays', async () => {
    const { page } = seat;
    await grip(page, 'Ask').click();
    await page.getByRole('combobox', { name: 'Drop in a zone' }).selectOption({ label: 'Review' });
    await page.getByRole('list', { name: 'Cards' }).getByText('card_without_session').waitFor();
    expect(await page.getByRole('combobox', { name: 'Drop in a zone' }).inputValue()).not.toBe('');
  });

  it('takes notes, zones and comments, and settles a talk', async () => {
    const { page } = seat;
    await page.getByRole('button', { name: 'Add note' }).click();
    await grip(page, 'A note').click();
    await page.getByRole('textbox', { name: 'Note' }).fill('Wait for Ann');
    await page.getByRole('button', { name: 'Keep the note' }).click();
    await page.getByRole('list', { name: 'Cards' }).getByText('Wait for Ann').first().waitFor();
    await page.getByRole('button', { name: 'Add zone' }).click();
    await page.getByRole('button', { name: 'New zone', exact: true }).click();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Done');
    await page.getByRole('button', { name: 'Keep the zone' }).click();
    await page.getByRole('region', { name: 'Zone Done' }).waitFor();
    await grip(page, titleOf(0)).click();
    await page.getByRole('button', { name: 'Reply' }).click();
    await page.getByRole('textbox', { name: 'Answer' }).fill('I do');
    await page.getByRole('button', { name: 'Answer', exact: true }).click();
    await page.getByText('I do', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Settle' }).click();
    await page.getByRole('button', { name: 'Open again' }).waitFor();
  });

  it('shows what is in the way of a session, once the daemon knows', async () => {
    const { page } = seat;
    const cards = page.getByRole('list', { name: 'Cards' });
    const { mock } = place;
    const card = mock?.world.boards[0]?.cards[0];
    if (!mock || !card) throw new Error('there is no card');
    expect(await cards.getByText('Merge conflict').count()).toBe(0);
    const found = { id: 'cfl_1', kind: 'merge_conflict' as const, paths: ['src/parse.rs'], more: 0 };
    card.conflicts = [{ ...found, with: ['/w/other'] }];
    mock.stream.emit('conflict.changed', null, 'system', { phase: 'found', conflict: found });
    await cards.getByText('Merge conflict: src/parse.rs').waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it('is made, and reached by a key', async () => {
    const { page } = seat;
    await visit(page, place.origin);
    await page.keyboard.press('g');
    await page.keyboard.press('b');
    await page.getByRole('heading', { name: 'Release', exact: true }).waitFor();
    await page.getByRole('textbox', { name: 'Name of a new board' }).fill('Bugs');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Bugs', exact: true }).waitFor();
    await page.getByText('Nothing is on this board yet').waitFor();
    expect(await violations(page)).toEqual([]);
  });
});
