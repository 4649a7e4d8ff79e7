/**
 * Two pages and a terminal at one session of the real product: who types has the input, the others see it, and take it over by
 * keyboard. What is refused is given back to whoever wrote it.
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
    'SKIPPED: two pages on the real product. There is no binary; `cargo build -p coditect` makes one.\n',
  );
}

interface Client {
  client: string;
  name: string;
  owns_input: boolean;
}

/** What comes by the stream, or from another process. */
const soon = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 20_000 });
const standing = (page: Page) => page.getByRole('group', { name: 'Who is here' }).getByRole('status');
const field = (page: Page) => page.getByRole('textbox', { name: 'Message' });

async function write(page: Page, text: string): Promise<void> {
  await field(page).focus();
  await page.keyboard.type(text);
}

describe.skipIf(binary === null || chromiumPath === null)('two pages at one session', () => {
  let real: Real;
  let browser: Browser;
  let [first, second]: [Page, Page] = [] as never;
  let session: string;
  const complaints: string[] = [];

  const clients = () =>
    (JSON.parse(real.cli('session', 'clients', session, '--json')) as { clients: Client[] }).clients;
  const nameOf = (page: Page) =>
    page.evaluate(() => `page ${sessionStorage.getItem('coditect.client')?.slice(0, 4)} on Linux`);

  beforeAll(async () => {
    if (!existsSync(fileURLToPath(new URL('../dist/index.html', import.meta.url))))
      throw new Error('the page is not built: `npm run build`');
    real = await startReal(binary ?? '');
    const made = JSON.parse(real.cli('session', 'new', 'Shared', '--agents', 'claude', '--json')) as {
      short_id: string;
    };
    session = made.short_id;
    const { origin } = new URL(real.launch);
    browser = await launch(chromiumPath ?? '');
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      reducedMotion: 'reduce',
    });
    [first, second] = [await context.newPage(), await context.newPage()];
    for (const page of [first, second]) listen(page, origin, complaints, [409]);
    await first.goto(real.launch);
    for (const page of [first, second]) await visit(page, `${origin}/s/${session}`);
  });
  afterAll(async () => {
    await browser?.close();
    await real?.stop();
  });

  it('each sees that the other one is there, under a name of its own', async () => {
    const [one, other] = [await nameOf(first), await nameOf(second)];
    expect(one).not.toBe(other);
    await soon(() => standing(first).textContent()).toBe(`${other} is here too`);
    await soon(() => standing(second).textContent()).toBe(`${one} is here too`);
    expect(
      clients()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([one, other].toSorted());
  });

  it('who types has the input, and the words of the other one are given back', async () => {
    await write(first, 'Half a thought');
    await soon(() => standing(first).textContent()).toBe('You have the input');
    const one = await nameOf(first);
    await soon(() => standing(second).textContent()).toMatch(new RegExp(`^${one} .*has the input$`));
    await write(second, 'Me too');
    await second.keyboard.press('Control+Enter');
    await second.getByRole('alert').getByText(`\`${one}\` has the session's input`).waitFor();
    expect(await field(second).inputValue()).toBe('Me too');
    for (const page of [first, second]) expect(await violations(page)).toEqual([]);
  });

  it('it is taken over by keyboard, and the first page sees it and waits', async () => {
    await second.keyboard.press('Escape');
    await second.keyboard.press('Shift+I');
    await soon(() => standing(second).textContent()).toBe('You have the input');
    const other = await nameOf(second);
    await soon(() => standing(first).textContent()).toMatch(new RegExp(`^${other} .*has the input$`));
    expect(clients().find((one) => one.owns_input)?.name).toBe(other);
    await field(second).focus();
    await second.keyboard.press('Control+Enter');
    await second.getByRole('log', { name: 'Transcript' }).getByText('Me too').first().waitFor();
    expect(await field(second).inputValue()).toBe('');
    await field(first).focus();
    await first.keyboard.press('Control+Enter');
    await first.getByRole('alert').getByText(`\`${other}\` has the session's input`).waitFor();
    expect(await field(first).inputValue()).toBe('Half a thought');
  });

  it('the button beside who has it does the same, and gives it back', async () => {
    const button = (name: string) =>
      first.getByRole('group', { name: 'Who is here' }).getByRole('button', { name });
    await button('Take over').focus();
    await first.keyboard.press('Enter');
    await soon(() => standing(first).textContent()).toBe('You have the input');
    await button('Give back').focus();
    await first.keyboard.press('Enter');
    await soon(() => clients().some((one) => one.owns_input)).toBe(false);
  });

  it('a page that goes away is there no more', async () => {
    const one = await nameOf(first);
    await second.goto('about:blank');
    await soon(() => clients().map(({ name }) => name)).toEqual([one]);
    await soon(() => standing(first).count()).toBe(0);
  });

  it('nothing was complained about, and nothing left its origin', () => {
    expect(complaints).toEqual([]);
  });
});
