import { beforeEach, describe, expect, it } from 'vitest';
import { Builder } from '../../../e2e/builder';
import type { Compaction, LiveTurn, Session, Task } from '@/api/nouns';
import type { Fold } from '@/features/task/folds';
import { resultsOf, rowsOf, TAIL, type Conversation } from './rows';

let b: Builder;
let session: Session;

beforeEach(() => {
  b = new Builder(Date.UTC(2026, 0, 31, 12));
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

function rows(fold: Fold | ((task: Task) => Fold) = 'full', more: Partial<Conversation> = {}) {
  return rowsOf({
    tasks: b.world.tasks,
    plans: b.world.plans,
    checkpoints: b.world.checkpoints,
    messages: b.world.messages,
    participants: session.participants,
    live: [],
    fold: typeof fold === 'function' ? fold : () => fold,
    hasEarlier: false,
    ...more,
  });
}
const kinds = (...given: Parameters<typeof rows>) => rows(...given).map((row) => row.kind);
const text = (words: string) => [{ type: 'text' as const, text: words }];

describe('rows', () => {
  it('put messages into the block of their task', () => {
    const first = b.task(session, 'prompt', 'First', ['claude'], 'completed', 900);
    const second = b.task(session, 'prompt', 'Second', ['claude'], 'completed', 800);
    b.say(second, 'claude', 790, text('of the second'));
    b.say(first, 'claude', 780, text('of the first'));
    const shown = rows().map((row) =>
      row.kind === 'message' ? JSON.stringify(row.message.blocks) : row.key,
    );
    expect(shown).toEqual([
      `t:${first.id}`,
      `p:${first.id}`,
      expect.stringContaining('of the first'),
      `t:${second.id}`,
      `p:${second.id}`,
      expect.stringContaining('of the second'),
    ]);
  });

  it('say where the conversation was condensed, behind the block of its last message', () => {
    const first = b.task(session, 'prompt', 'First', ['claude'], 'completed', 900);
    const second = b.task(session, 'prompt', 'Second', ['claude'], 'completed', 800);
    const said = b.say(first, 'claude', 890, text('of the first'));
    const compaction = { upto: said.id, created_at: second.created_at } as Compaction;
    const shown = rows('closed', { compactions: [compaction] }).map((row) => row.key);
    expect(shown).toEqual([`t:${first.id}`, `k:${said.id}`, `t:${second.id}`]);
    const unknown = { ...compaction, upto: 'msg_elsewhere' };
    expect(kinds('closed', { compactions: [unknown] })).toEqual(['task', 'task']);
  });

  it('show only the head of a closed task', () => {
    const task = b.task(session, 'work', 'Closed', ['claude'], 'completed', 900);
    b.say(task, 'claude', 800, text('x'));
    expect(kinds('closed')).toEqual(['task']);
  });

  it('show the tail of a busy task and say how much is hidden', () => {
    const task = b.task(session, 'work', 'Busy', ['claude'], 'working', 900);
    for (let i = 0; i < TAIL + 3; i += 1) b.say(task, 'claude', 800 - i, text(String(i)));
    const shown = rows('tail');
    expect(shown.find((row) => row.kind === 'hidden')).toMatchObject({ count: 3 });
    expect(shown.filter((row) => row.kind === 'message')).toHaveLength(TAIL);
  });

  it('put results into the card of their call, and keep those whose call is not loaded', () => {
    const task = b.task(session, 'work', 'Tools', ['claude'], 'completed', 900);
    b.tool(task, 'claude', 800, 'bash', { command: 'ls' }, 'a.rs', 0);
    expect(rows().filter((row) => row.kind === 'message')).toHaveLength(1);
    expect([...resultsOf(b.world.messages).values()][0]?.output).toBe('a.rs');
    b.world.messages.splice(0, 1);
    expect(rows().filter((row) => row.kind === 'message')).toHaveLength(1);
  });

  it('do not repeat the prompt, which the head of the block shows', () => {
    const task = b.task(session, 'prompt', 'Say it', ['claude'], 'completed', 900);
    b.say(task, null, 899, text(task.prompt));
    b.say(task, null, 898, text('something else'));
    expect(rows().filter((row) => row.kind === 'message')).toHaveLength(1);
  });

  it('name a speaker once, and again after a pause', () => {
    const task = b.task(session, 'prompt', 'Talk', ['claude', 'gemini'], 'completed', 900);
    b.say(task, 'claude', 800, text('1'));
    b.say(task, 'claude', 790, text('2'));
    b.say(task, 'gemini', 780, text('3'));
    b.say(task, 'gemini', 100, text('4'));
    expect(rows().flatMap((row) => (row.kind === 'message' ? [row.continues] : []))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });

  it('show who is at work, with what is being written', () => {
    const task = b.task(session, 'work', 'Live', ['claude', 'gemini'], 'working', 900);
    task.targets[1]!.state = 'completed';
    const live: LiveTurn = {
      session: session.id,
      turn: 'trn',
      task: task.id,
      participant: session.participants[0]!.id,
      text: 'so far',
      thinking: '',
    };
    const shown = rows('tail', { live: [live] }).filter((row) => row.kind === 'live');
    expect(shown).toHaveLength(1);
    expect(shown[0]).toMatchObject({ turn: 'trn', speaker: { agent: 'claude' } });
  });

  it('name who is at work unless the row above was said by the same', () => {
    const task = b.task(session, 'prompt', 'Both', ['claude', 'gemini'], 'working', 900);
    b.say(task, 'gemini', 800, text('1'));
    const named = () => rows().flatMap((row) => (row.kind === 'live' ? [row.continues] : []));
    expect(named()).toEqual([false, false]);
    b.say(task, 'claude', 700, text('2'));
    expect(named()).toEqual([true, false]);
  });

  it('show an open question and why a task failed', () => {
    b.task(session, 'work', 'Asks', ['claude'], 'input_required', 900, {
      question: { session: session.id, task: 't', turn: 'u', participant: 'p', question: '?' },
    });
    b.task(session, 'work', 'Failed', ['claude'], 'failed', 800, { text: 'because' });
    expect(kinds()).toEqual(expect.arrayContaining(['question', 'end']));
  });

  it('keep the order of what happened between tasks', () => {
    b.task(session, 'work', 'Before', ['claude'], 'completed', 900);
    b.world.checkpoints.push({
      id: 'chk',
      session: session.id,
      plan: null,
      repo: 'r',
      git_ref: 'r',
      commit: 'c',
      paths: [],
      co_authors: [],
      message: 'm',
      created_at: b.ago(850),
      kind: 'work',
      name: null,
      point: null,
    });
    b.task(session, 'work', 'After', ['claude'], 'completed', 800);
    expect(kinds('closed')).toEqual(['task', 'checkpoint', 'task']);
  });

  it('begin where the loaded history begins, and say that it goes on above', () => {
    b.task(session, 'prompt', 'Too old', ['claude'], 'completed', 900);
    const busy = b.task(session, 'work', 'Old and still going on', ['claude'], 'working', 800);
    const begun = b.task(session, 'prompt', 'Half loaded', ['claude'], 'completed', 200);
    b.say(begun, 'claude', 99, text('x'));
    const shown = rows('closed', { hasEarlier: true });
    expect(shown.map((row) => row.key)).toEqual(['earlier', `t:${busy.id}`, `t:${begun.id}`]);
    expect(rows('closed')).toHaveLength(3);
  });

  it('have keys that are unique and stay', () => {
    const task = b.task(session, 'prompt', 'Keys', ['claude', 'gemini'], 'working', 900);
    b.say(task, 'claude', 800, text('1'));
    const before = rows().map((row) => row.key);
    b.say(task, 'gemini', 700, text('2'));
    const after = rows().map((row) => row.key);
    expect(new Set(after).size).toBe(after.length);
    expect(after).toEqual(expect.arrayContaining(before));
  });

  it('say where an attempt failed and the next one begins', () => {
    const task = b.task(session, 'work', 'Twice', ['claude'], 'working', 900);
    const [second] = task.turns;
    const gone = { state: 'failed', code: 'crashed', message: 'the process died' } as const;
    task.turns = [
      { ...second!, id: 'trn_first', outcome: gone, ended_at: b.ago(850) },
      { ...second!, attempt: 2 },
    ];
    b.say(task, 'claude', 880, text('before')).turn = 'trn_first';
    b.say(task, 'claude', 800, text('after'));
    b.say(task, 'claude', 790, text('more'));
    expect(kinds()).toEqual(['task', 'prompt', 'message', 'attempt', 'message', 'message', 'live']);
  });

  it('keep the checkpoint of a task in its block, and that of a plan outside', () => {
    const task = b.task(session, 'work', 'Kept', ['claude'], 'completed', 900);
    b.task(session, 'work', 'Later', ['claude'], 'working', 700);
    const checkpoint = { ...b.world.checkpoints[0]!, session: session.id, created_at: b.ago(100) };
    const made = (id: string, git_ref: string) =>
      b.world.checkpoints.push({
        ...checkpoint,
        id,
        git_ref,
        plan: null,
        repo: '',
        commit: 'c0ffee',
        paths: [],
        message: '',
        co_authors: [],
      });
    made('chk_1', `refs/coditect/tasks/${task.id}`);
    made('chk_2', 'refs/coditect/plans/pln_1');
    expect(rows('tail').map((row) => row.key.slice(0, 2))).toEqual(['t:', 'c:', 't:', 'l:', 'c:']);
  });

  it('put what was asked for before the plan that was made of it', () => {
    const plan = { id: 'pln_1', prompt: 'All', created_at: b.ago(900), proposals: [], participants: [] };
    b.world.plans.push(plan as never);
    const task = b.task(session, 'propose', 'Propose: All', ['claude'], 'working', 900, { plan: 'pln_1' });
    const asked = b.say(task, null, 899.9, text('All'));
    asked.task = null;
    expect(kinds('tail')).toEqual(['message', 'plan', 'task', 'live']);
  });

  it('say how a plan ended after all that belongs to it', () => {
    const plan = { id: 'pln_1', prompt: 'All', state: 'failed', created_at: b.ago(900), proposals: [] };
    b.world.plans.push({ ...plan, participants: [], tests: null, merged: null } as never);
    b.task(session, 'work', 'Part', ['claude'], 'completed', 800, { plan: 'pln_1' });
    b.task(session, 'prompt', 'Later', ['claude'], 'completed', 100);
    expect(kinds('closed')).toEqual(['plan', 'task', 'plan_end', 'task']);
  });
});
