/** How agents are kept apart, and where a session came from: read without a pointer, in both themes. */
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

let seat: Seat | null = null;
let place: Place;

describe.skipIf(chromiumPath === null || REAL !== null)('isolation and origin', () => {
  beforeAll(async () => {
    await closeBrowser();
    place = await openPlace();
  });
  afterAll(async () => {
    await place.close();
    await closeBrowser();
  });
  afterEach(async () => {
    await seat?.close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`stand where the agents and the sessions are, in the ${colorScheme} theme`, async () => {
      seat = await place.sit({ colorScheme });
      const { page } = seat;
      await visit(page, place.origin);
      const sessions = page.getByRole('navigation', { name: 'Sessions' });
      await sessions.getByRole('link', { name: 'Make the parser tests pass' }).click();
      const agents = page.getByRole('complementary', { name: 'Agents and locks' });
      for (const word of ['shared', 'worktree', 'sandbox', 'UNSANDBOXED'])
        await agents.getByText(word, { exact: true }).waitFor();
      await agents.getByText('No sandbox: bwrap is not installed').waitFor();
      expect(await violations(page)).toEqual([]);

      // The link says it, so who goes by keyboard hears it before opening the session.
      const imported = sessions.getByRole('link', { name: /Imported from Claude Code 2\.1\.329, begun/ });
      expect(await imported.count()).toBe(1);
      await imported.focus();
      await page.keyboard.press('Enter');
      const title = page.getByRole('textbox', { name: 'Session title' });
      await title.waitFor();
      expect(await title.inputValue()).toBe('Look why the build is slow');
      await page
        .getByRole('main')
        .getByText(/^Claude Code · /)
        .waitFor();
      // What is configured here says nothing of how a vendor's own program worked.
      expect(await agents.getByText('shared', { exact: true }).count()).toBe(0);
      expect(await violations(page)).toEqual([]);
    });
  }
});
