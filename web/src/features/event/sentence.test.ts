import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { EventRecord } from '@/api/nouns';
import { sentenceOf } from './sentence';

const event = (kind: string, payload: unknown, actor = 'system'): EventRecord =>
  ({ cursor: '1.1', ts: '', session: null, actor, kind, payload }) as EventRecord;

it('says who did what to which file', () => {
  expect(sentenceOf(event('file.modified', { path: 'a.rs' }, 'claude'))).toMatchObject({
    agent: 'claude',
    text: 'changed',
    what: 'a.rs',
  });
  expect(
    sentenceOf(event('lock.changed', { phase: 'waiting', agent: 'gemini', path: 'a.rs' })),
  ).toMatchObject({
    agent: 'gemini',
    text: 'waits for',
    what: 'a.rs',
    tone: 'warn',
  });
});

it('never takes the user or the daemon for an agent', () => {
  expect(sentenceOf(event('task.submitted', { title: 'x' }, 'user'))?.agent).toBeNull();
});

it('tells nothing twice', () => {
  for (const [kind, payload] of [
    ['task.submitted', { kind: 'propose', title: 'Propose: x' }],
    ['notice.published', { channel: 'file_modified', agent: 'kimi' }],
    ['registration.announced', { agent: 'user' }],
  ] as const)
    expect(sentenceOf(event(kind, payload))).toBeNull();
});

it('keeps to one line', () => {
  expect(sentenceOf(event('task.failed', { text: 'first\nsecond' }))?.text).toBe('Task failed: first');
});

/** Kinds from the generated contract, so that a new one is at least looked at. */
const kinds = [...readFileSync('src/api/generated.ts', 'utf8').matchAll(/kind: "([a-z_]+\.[a-z_]+)"/g)].map(
  (m) => m[1]!,
);

it('reads every kind of event, whatever is or is not in it', () => {
  expect(kinds.length).toBeGreaterThan(40);
  for (const kind of kinds)
    for (const payload of [{}, null, 'x', [], 7])
      expect(() => sentenceOf(event(kind, payload))).not.toThrow();
});

it('tells what a shell changed and what a plan waits for', () => {
  const stray = { files: [{ path: 'a.rs' }, { path: 'b.rs' }], more: 3 };
  expect(sentenceOf(event('file.strayed', stray, 'kimi'))).toMatchObject({
    agent: 'kimi',
    what: 'a.rs and 4 more files',
    tone: 'danger',
  });
  expect(sentenceOf(event('plan.stalled', { text: 'no room\nmore' }))?.text).toBe(
    'Plan cannot go on yet: no room',
  );
});

it('tells of worktrees that no longer merge and of what lands', () => {
  const one = { kind: 'merge_conflict', paths: ['a.rs', 'b.rs'] };
  expect(sentenceOf(event('conflict.changed', { phase: 'found', conflict: one }))).toMatchObject({
    agent: null,
    text: 'Two worktrees no longer merge',
    what: 'a.rs',
    tone: 'warn',
  });
  expect(sentenceOf(event('conflict.changed', { phase: 'gone', conflict: one }))?.tone).toBe('good');
  expect(sentenceOf(event('merge.changed', { state: 'landed', text: 'landed' }))).toMatchObject({
    text: 'Merge landed: landed',
    tone: 'good',
  });
});
