import { QueryClient } from '@tanstack/react-query';
import { beforeEach, describe, expect, it } from 'vitest';
import { Builder, type World } from '../../e2e/builder';
import { useActivity } from './activity';
import { Effects } from './effects';
import { useLive } from './live';
import type { Frame, Locks, Message, Notice, Page, Plan, ResourceFrame, Session, Task } from './nouns';
import { usePresence } from './presence';
import { keys } from './queries';

let world: World;
let session: Session;
let task: Task;
let cache: QueryClient;
let effects: Effects;
let due: (() => void)[];
let looked: string[];

const page = <T>(items: T[]): Page<T> => ({ items, next: null });
const read = <T>(key: readonly unknown[]) => cache.getQueryData<Page<T>>(key)?.items ?? [];
const stale = (key: readonly unknown[]) => cache.getQueryState(key)?.isInvalidated;

function resource(
  action: ResourceFrame['action'],
  noun: ResourceFrame['noun'],
  id: string,
  body: unknown,
): Frame {
  return { type: 'resource', action, noun, id, cursor: '1.50', body } as Frame;
}
function event(kind: string, payload: object = {}, cursor = '1.50'): Frame {
  return { type: 'event', cursor, ts: '', kind, session: session.id, actor: 'system', payload } as Frame;
}
const later = async () => {
  for (const run of due.splice(0)) run();
  await Promise.resolve();
  await Promise.resolve();
};

beforeEach(() => {
  const b = new Builder(0);
  session = b.session(
    'One',
    'running',
    10,
    [
      ['claude', 'idle', 5],
      ['gemini', 'idle', 5],
    ],
    0,
  );
  task = b.task(session, 'prompt', 'Do it', ['claude'], 'working', 9);
  world = b.world;
  cache = new QueryClient();
  cache.setQueryData(keys.sessions, page(world.sessions));
  cache.setQueryData(keys.session(session.short_id), session);
  cache.setQueryData(keys.tasks(session.id), page([task]));
  cache.setQueryData(keys.openTasks, page([task]));
  cache.setQueryData(keys.messages(session.id), { pages: [page([])], pageParams: [null] });
  cache.setQueryData(keys.plans(session.id), page([{ id: 'pln', proposals: [] }]));
  cache.setQueryData(keys.notices, page([]));
  cache.setQueryData(keys.locks, { ...page([]), waits: [] } satisfies Locks);
  due = [];
  looked = [];
  effects = new Effects(
    cache,
    {
      session: (id) => (looked.push(id), Promise.resolve({ ...session, needs_input: 7 })),
      task: (id) => (looked.push(id), Promise.resolve({ ...task, state: 'completed' as const })),
    },
    (run) => due.push(run),
  );
  useLive.setState({ session: session.id, turns: {}, gaps: new Set() });
  useActivity.setState({ events: [] });
});

describe('resources', () => {
  it('put a status where every view of the session reads it', () => {
    const seat = session.participants[0]!;
    effects.apply([
      resource('patched', 'participant', seat.id, {
        session: session.id,
        status: 'editing',
        detail: 'a.rs',
        since: 'now',
      }),
    ]);
    for (const found of [
      read<Session>(keys.sessions)[0],
      cache.getQueryData<Session>(keys.session(session.short_id)),
    ]) {
      expect(found?.participants[0]).toMatchObject({
        status: 'editing',
        detail: 'a.rs',
        since: 'now',
        agent: 'claude',
      });
      expect(found?.participants[1]).toMatchObject({ status: 'idle' });
    }
  });

  it('patch fields over what is known and leave the rest', () => {
    effects.apply([
      resource('patched', 'task', task.id, {
        session: session.id,
        state: 'input_required',
        question: { question: '?' },
      }),
    ]);
    expect(read<Task>(keys.tasks(session.id))[0]).toMatchObject({ title: 'Do it', state: 'input_required' });
    expect(read<Task>(keys.openTasks)[0]).toMatchObject({ state: 'input_required' });
  });

  it('take an ended task off the list of open ones', () => {
    effects.apply([
      resource('patched', 'task', task.id, { session: session.id, state: 'failed', text: 'no' }),
    ]);
    expect(read(keys.openTasks)).toEqual([]);
    expect(read<Task>(keys.tasks(session.id))[0]).toMatchObject({ state: 'failed', text: 'no' });
  });

  it('name the targets of a task that was only just announced', () => {
    const fresh = { ...task, id: 'tsk_new', targets: [{ ...task.targets[0]!, agent: null }] };
    effects.apply([resource('created', 'task', fresh.id, fresh)]);
    expect(read<Task>(keys.tasks(session.id))[1]?.targets[0]?.agent).toBe('claude');
  });

  it('ask once for figures that follow, however many frames say that they moved', async () => {
    effects.apply(
      Array.from({ length: 20 }, () => resource('patched', 'session', session.id, { updated_at: 'x' })),
    );
    effects.apply([resource('patched', 'session', session.id, { updated_at: 'y' })]);
    expect(due).toHaveLength(1);
    await later();
    expect(looked).toEqual([session.id]);
    expect(read<Session>(keys.sessions)[0]?.needs_input).toBe(7);
  });

  it('append a message once, however often it comes', () => {
    const said = resource('created', 'message', 'm1', {
      id: 'm1',
      session: session.id,
      turn: null,
      role: 'user',
      blocks: [],
    });
    effects.apply([said, said]);
    effects.apply([said]);
    const pages = cache.getQueryData<{ pages: Page<Message>[] }>(keys.messages(session.id))?.pages;
    expect(pages?.[0]?.items).toHaveLength(1);
  });

  it('add changes, proposals and notices where they belong, once', () => {
    const change = { session: session.id, task: task.id, turn: 't', path: 'a.rs', after: 'h' };
    const proposal = { plan: 'pln', session: session.id, participant: 'p', agent: 'claude', tasks: [] };
    const frames = [
      resource('created', 'file_change', '1.50', change),
      resource('created', 'proposal', 'p', proposal),
      resource('created', 'notice', '3', { id: 3, payload: 'x' }),
    ];
    effects.apply([...frames, ...frames]);
    expect(read<Task>(keys.tasks(session.id))[0]?.changes).toHaveLength(1);
    expect(read<Plan>(keys.plans(session.id))[0]?.proposals).toHaveLength(1);
    expect(read<Notice>(keys.notices)).toHaveLength(1);
  });

  it('take an archived session off the list', () => {
    effects.apply([resource('patched', 'session', session.id, { archived: true })]);
    expect(read(keys.sessions)).toEqual([]);
  });

  it('begin and end what is being written', async () => {
    const turn = { id: 'trn', session: session.id, task: task.id, participant: 'p' };
    effects.apply([
      resource('created', 'turn', 'trn', turn),
      {
        type: 'delta',
        session: session.id,
        turn: 'trn',
        participant: 'p',
        kind: 'text',
        offset: 0,
        text: 'Hi',
      },
    ]);
    expect(useLive.getState().turns.trn).toMatchObject({ text: 'Hi', task: task.id });
    effects.apply([
      resource('patched', 'turn', 'trn', { session: session.id, outcome: { state: 'completed' } }),
    ]);
    expect(useLive.getState().turns).toEqual({});
    await later();
    expect(looked).toContain(task.id);
  });

  it('leave what they do not know alone', () => {
    expect(() => effects.apply([resource('created', 'hologram' as never, 'x', null)])).not.toThrow();
  });
});

describe('who is there', () => {
  it('is what was said last of the session on the screen', () => {
    const phone = { client: 'p', name: 'phone', owns_input: true, typing: false };
    const say = (of: string, clients: (typeof phone)[]) =>
      effects.apply([{ type: 'presence', session: of, clients }]);
    usePresence.setState({ session: session.id, clients: [] });
    say(session.id, [phone]);
    say('ses_other', []);
    expect(usePresence.getState().clients).toEqual([phone]);
  });
});

describe('events', () => {
  it('make the lock table be read again, waits included', async () => {
    effects.apply([event('lock.changed', { phase: 'waiting' })]);
    await later();
    expect(stale(keys.locks)).toBe(true);
  });

  it('make a board be read again when a conflict comes, gets worse or goes', async () => {
    cache.setQueryData(keys.board('release'), {});
    effects.apply([event('conflict.changed', { phase: 'found' })]);
    await later();
    expect(stale(keys.board('release'))).toBe(true);
  });

  it('become activity, newest first and each once', () => {
    effects.apply([event('task.started', {}, '1.51'), event('task.started', {}, '1.52')]);
    effects.apply([event('task.started', {}, '1.52')]);
    expect(useActivity.getState().events.map((one) => one.cursor)).toEqual(['1.52', '1.51']);
  });
});

it('asks for the text so far when a delta does not fit', async () => {
  cache.setQueryData(keys.live(session.id), page([]));
  effects.apply([
    { type: 'delta', session: session.id, turn: 'x', participant: 'p', kind: 'text', offset: 40, text: '?' },
  ]);
  await later();
  expect(stale(keys.live(session.id))).toBe(true);
});

it('after a reset everything is stale', () => {
  effects.reset();
  for (const key of [keys.sessions, keys.tasks(session.id), keys.messages(session.id)])
    expect(stale(key)).toBe(true);
});
