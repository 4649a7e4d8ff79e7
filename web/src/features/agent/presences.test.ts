import { expect, it } from 'vitest';
import type { Presence } from '@/api/nouns';
import { occupation, whereabouts } from './presences';

const one: Presence = {
  id: 'reg_1',
  short_id: '3f8k000000',
  agent: 'claude-terminal',
  vendor: 'anthropic',
  model: null,
  session: null,
  worktree: '/home/dev/website',
  pid: 5210,
  phase: 'active',
  registered_at: '',
  heartbeat_at: '',
  vitality: 'alive',
  beat_age_ms: 0,
  status: null,
  tty: 'pts/3',
  repo: null,
  task: null,
  parent: null,
  sub_agent: null,
  machine: null,
  active_files: [],
};

it('says where somebody is', () => {
  expect(whereabouts(one)).toBe('terminal · pts/3 · website');
  expect(whereabouts({ ...one, tty: null, worktree: null })).toBe('terminal · pid 5210');
  expect(whereabouts({ ...one, tty: null, pid: null, worktree: null })).toBe('terminal');
  expect(whereabouts({ ...one, session: 'ses_1' })).toBe('in a session');
  expect(whereabouts({ ...one, machine: 'attic' })).toBe('terminal · pts/3 · website · on attic');
  expect(whereabouts({ ...one, vendor: 'coditect' })).toBe('the daemon');
  expect(whereabouts({ ...one, vendor: 'coditect', machine: 'attic' })).toBe('the daemon on attic');
});

it('says what somebody works on: the task, else the files', () => {
  expect(occupation(one)).toBeNull();
  expect(occupation({ ...one, active_files: ['a.rs'] })).toBe('a.rs');
  expect(occupation({ ...one, active_files: ['a.rs', 'b.rs'] })).toBe('a.rs and 1 more');
  expect(occupation({ ...one, task: 'tidy', active_files: ['a.rs'] })).toBe('tidy');
});
