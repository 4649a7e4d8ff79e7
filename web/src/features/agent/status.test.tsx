import { cleanup, render } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import type { ParticipantStatus } from '@/api/nouns';
import { lookOf, STATUS_LOOKS, StatusWord } from './status';

afterEach(cleanup);
const statuses = Object.keys(STATUS_LOOKS) as ParticipantStatus[];

it('knows all twelve', () => {
  expect(statuses).toHaveLength(12);
});

it('tells them apart without colour: every word and every icon is its own', () => {
  expect(new Set(statuses.map((status) => lookOf(status).word)).size).toBe(12);
  expect(new Set(statuses.map((status) => lookOf(status).icon)).size).toBe(12);
});

it.each(statuses)('shows icon, word and age of %s', (status) => {
  const { container } = render(
    <StatusWord status={status} since={new Date(Date.now() - 65_000).toISOString()} />,
  );
  expect(container.querySelector('svg')).not.toBeNull();
  expect(container.textContent).toContain(lookOf(status).word);
  expect(container.querySelector('time')?.textContent).toBe('1m');
});

it('shows a word it has never heard of as it is', () => {
  const { container } = render(<StatusWord status={'day_dreaming' as ParticipantStatus} />);
  expect(container.textContent).toContain('day dreaming');
});
