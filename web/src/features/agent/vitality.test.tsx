import { cleanup, render } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import type { Vitality } from '@/api/nouns';
import { VitalityWord } from './vitality';

afterEach(cleanup);

it.each(['alive', 'suspect', 'dead'] as const)('shows icon, word and age of %s', (vitality: Vitality) => {
  const since = new Date(Date.now() - 65_000).toISOString();
  const { container } = render(<VitalityWord vitality={vitality} since={since} />);
  expect(container.querySelector('svg')).not.toBeNull();
  expect(container.textContent).toBe(`${vitality}1m`);
  expect(container.querySelector('[title]')?.getAttribute('title')).not.toBe('');
});

it('shows a word it has never heard of as it is', () => {
  const { container } = render(
    <VitalityWord vitality={'dozing' as Vitality} since={new Date().toISOString()} />,
  );
  expect(container.textContent).toContain('dozing');
});
