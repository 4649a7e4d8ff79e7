import { beforeEach, expect, it } from 'vitest';
import { Builder } from '../../../e2e/builder';
import type { Session } from '@/api/nouns';
import { segmentsOf, spanOf } from './timeline';

const NOW = Date.UTC(2026, 0, 31, 12);
let b: Builder;
let session: Session;
const text = [{ type: 'text' as const, text: 'x' }];

beforeEach(() => {
  b = new Builder(NOW);
  session = b.session(
    'One',
    'running',
    1000,
    [
      ['claude', 'thinking', 5],
      ['gemini', 'idle', 5],
    ],
    0,
  );
});

it('measures a turn by its messages, from the request behind the first one', () => {
  const task = b.task(session, 'work', 'A', ['claude'], 'completed', 900);
  const first = b.say(task, 'claude', 800, text);
  b.say(task, 'claude', 700, text);
  const [segment] = segmentsOf(b.world.tasks, b.world.messages, NOW);
  expect(segment).toMatchObject({
    from: NOW - 800_000 - (first.latency_ms ?? 0),
    to: NOW - 700_000,
    live: false,
  });
});

it('lets a turn at work reach to now, and keeps queued work out of time', () => {
  b.task(session, 'work', 'A', ['claude'], 'working', 900);
  b.task(session, 'work', 'B', ['gemini'], 'submitted', 900);
  const segments = segmentsOf(b.world.tasks, [], NOW);
  expect(segments).toHaveLength(1);
  expect(segments[0]).toMatchObject({ to: NOW, live: true });
});

it('never ends before it begins', () => {
  b.task(session, 'work', 'A', ['claude'], 'completed', 10, { updated_at: b.ago(60) });
  const [segment] = segmentsOf(b.world.tasks, [], NOW);
  expect(segment!.to).toBeGreaterThanOrEqual(segment!.from);
});

it('spans at least a minute', () => {
  const { from, to } = spanOf({ ...session, created_at: b.ago(3) }, []);
  expect(to - from).toBe(60_000);
});
