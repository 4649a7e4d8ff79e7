import { beforeEach, expect, it } from 'vitest';
import { Builder } from '../../../e2e/builder';
import type { Session } from '@/api/nouns';
import { segmentsOf, spanOf } from './timeline';

const NOW = Date.UTC(2026, 0, 31, 12);
let b: Builder;
let session: Session;

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

it('draws a turn from its start to its end', () => {
  b.task(session, 'work', 'A', ['claude'], 'completed', 900);
  const [segment] = segmentsOf(b.world.tasks, NOW);
  expect(segment).toMatchObject({ from: NOW - 900_000, to: NOW - 810_000, live: false, failed: false });
});

it('draws every attempt, and the failed one as failed', () => {
  const task = b.task(session, 'work', 'A', ['claude'], 'working', 900);
  const [now] = task.turns;
  task.turns.unshift({
    ...now!,
    id: 'trn_first',
    started_at: b.ago(1000),
    ended_at: b.ago(950),
    outcome: { state: 'failed', code: 'crashed', message: 'gone' },
  });
  expect(segmentsOf(b.world.tasks, NOW).map((one) => [one.turn, one.failed, one.live])).toEqual([
    ['trn_first', true, false],
    [now!.id, false, true],
  ]);
});

it('lets a turn at work reach to now, and keeps queued work out of time', () => {
  b.task(session, 'work', 'A', ['claude'], 'working', 900);
  b.task(session, 'work', 'B', ['gemini'], 'submitted', 900);
  const segments = segmentsOf(b.world.tasks, NOW);
  expect(segments).toHaveLength(1);
  expect(segments[0]).toMatchObject({ to: NOW, live: true });
});

it('never ends before it begins', () => {
  const task = b.task(session, 'work', 'A', ['claude'], 'completed', 10);
  task.turns[0]!.ended_at = b.ago(60);
  const [segment] = segmentsOf(b.world.tasks, NOW);
  expect(segment!.to).toBeGreaterThanOrEqual(segment!.from);
});

it('spans at least a minute, and begins with the first turn', () => {
  const { from, to } = spanOf({ ...session, created_at: b.ago(3) }, []);
  expect(to - from).toBe(60_000);
  b.task(session, 'work', 'A', ['claude'], 'completed', 900);
  expect(spanOf(session, segmentsOf(b.world.tasks, NOW)).from).toBe(NOW - 900_000);
});
