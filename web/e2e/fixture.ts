/** A workspace frozen in the middle of its work: four agents, a lock wait, a question, a failure. Deterministic. */
import { afterTurn } from './point';
import type { Plan, Session, Task, TaskState, Vitality } from '../src/api/nouns';
import { makeBoard } from './board-fixture';
import { Builder, id, type World } from './builder';
import { surroundings } from './surroundings';
import { imported, plannedTasks, talk } from './words';

/** The session everybody looks at first: a plan half done. */
function refactoring(b: Builder): Session {
  const session = b.session(
    'Make the parser tests pass',
    'running',
    412,
    [
      ['claude', 'editing', 14, 'src/parser.rs', 61_400],
      ['gemini', 'waiting_lock', 11, 'src/parser.rs', 212_000],
      ['kimi', 'needs_input', 72, 'which rounding mode', 38_100],
      ['codex', 'running_tool', 6, 'cargo test --test eval', 309_500],
    ],
    1_842_000,
  );
  const plan: Plan = {
    id: id('pln', b.number()),
    short_id: 'p1an000001',
    session: session.id,
    repo: id('rep', 1),
    prompt: talk.wish,
    participants: session.participants.map((one) => one.id),
    branch: 'main',
    created_at: b.ago(408),
    state: 'executing',
    worktrees: false,
    proposals: [],
    merged: null,
    tests: null,
    text: null,
    tasks: [],
    kept: null,
  };
  b.world.plans.push(plan);
  for (const [index, seat] of session.participants.entries()) {
    const tasks = plannedTasks(seat.agent);
    const propose = b.task(
      session,
      'propose',
      `Plan: ${talk.wish.slice(0, 40)}…`,
      [seat.agent],
      'completed',
      406,
      {
        plan: plan.id,
        prompt: talk.wish,
        updated_at: b.ago(340 - index * 9),
        text: `Proposed ${tasks.length} tasks.`,
      },
    );
    b.tool(propose, seat.agent, 390 - index * 5, 'read_file', { path: 'src/parser.rs' }, talk.source);
    b.say(propose, seat.agent, 345 - index * 9, [{ type: 'text', text: talk.proposal[seat.agent] ?? '' }]);
    plan.proposals.push({
      plan: plan.id,
      session: session.id,
      participant: seat.id,
      agent: seat.agent,
      tasks,
    });
  }
  plan.merged = talk.merged;
  workOf(b, session, plan);
  plan.tasks = b.world.tasks.filter((task) => task.plan === plan.id);
  return session;
}

function workOf(b: Builder, session: Session, plan: Plan): void {
  const part = (title: string, agent: string, state: TaskState, created: number, more: Partial<Task> = {}) =>
    b.task(session, 'work', title, [agent], state, created, { plan: plan.id, prompt: `${title}.`, ...more });

  const lexer = part('Accept exponents in the lexer', 'codex', 'completed', 300, {
    updated_at: b.ago(180),
    text: 'Numbers may carry an exponent now; 4 lexer tests pass.',
  });
  b.tool(lexer, 'codex', 290, 'read_file', { path: 'src/lexer.rs' }, talk.source);
  b.tool(lexer, 'codex', 250, 'edit_file', talk.lexerEdit, 'ok');
  b.change(lexer, 'codex', 'src/lexer.rs', 14, 3);
  b.change(lexer, 'codex', 'tests/lexer.rs', 22, 0);
  b.world.checkpoints.push({
    id: id('chk', b.number()),
    session: session.id,
    plan: plan.id,
    repo: id('rep', 1),
    git_ref: 'refs/coditect/checkpoints/1',
    commit: '3fa2c1d90be47d1a55c09e12b7f6a8d4e0913c77',
    paths: ['src/lexer.rs', 'tests/lexer.rs'],
    co_authors: ['codex', 'claude'],
    message: 'Accept exponents in the lexer',
    created_at: b.ago(176),
    kind: 'work',
    name: null,
    point: null,
  });
  b.world.checkpoints.push(afterTurn(b, session.id));

  const parser = part('Fix precedence of unary minus', 'claude', 'working', 299);
  b.say(parser, 'claude', 210, [
    { type: 'thinking', text: talk.thought, signature: null },
    { type: 'text', text: talk.precedence },
  ]);
  b.tool(
    parser,
    'claude',
    190,
    'search_files',
    { pattern: 'fn parse_unary', path: 'src' },
    'src/parser.rs:118',
  );
  b.tool(
    parser,
    'claude',
    120,
    'bash',
    { command: 'cargo test --test parser', timeout_ms: 60_000 },
    talk.testOutput,
    101,
  );
  b.say(parser, 'claude', 40, [{ type: 'text', text: talk.table }]);
  b.tool(parser, 'claude', 15, 'edit_file', talk.parserEdit, 'ok');
  b.change(parser, 'claude', 'src/parser.rs', 12, 7);

  const errors = part('Report the column in parse errors', 'gemini', 'working', 298);
  b.say(errors, 'gemini', 60, [{ type: 'text', text: talk.waiting }]);

  const rounding = part('Round results like the reference', 'kimi', 'input_required', 297);
  b.say(rounding, 'kimi', 95, [{ type: 'text', text: talk.rounding }]);
  const seat = session.participants[2];
  rounding.question = {
    session: session.id,
    task: rounding.id,
    turn: id('trn', 77),
    participant: seat?.id ?? '',
    question: talk.question,
  };

  const evaluation = part('Guard evaluation against overflow', 'codex', 'working', 170);
  b.tool(evaluation, 'codex', 130, 'read_file', { path: 'src/eval.rs' }, talk.source);
  b.tool(evaluation, 'codex', 90, 'write_file', { path: 'tests/overflow.rs', content: talk.source }, 'ok');
  b.change(evaluation, 'codex', 'tests/overflow.rs', 31, 0);

  b.task(session, 'review', 'Review: Fix precedence of unary minus', ['gemini'], 'submitted', 296, {
    plan: plan.id,
  });

  const shell = session.participants[3];
  b.world.permissions.push({
    id: id('prm', 1),
    short_id: 'prm0000001',
    session: session.id,
    task: evaluation.id,
    turn: id('trn', 78),
    participant: shell?.id ?? '',
    tool: 'Bash',
    category: 'shell',
    summary: 'Run the overflow tests with a fresh lock file',
    arguments: {
      command: 'cargo update && cargo test --test overflow -- --nocapture',
      timeout: 120_000,
    },
    paths: ['Cargo.lock', 'tests/overflow.rs'],
    arguments_hash: '7c1d',
    requested_at: b.ago(9),
    decision: null,
  });

  const held = b.lock(session, 'claude', 'src/parser.rs', 14);
  b.lock(session, 'codex', 'tests/overflow.rs', 44);
  b.lock(session, 'kimi', 'docs/**', 130, 'shared');
  b.world.waits.push({
    waiter: id('reg', b.number()),
    agent: 'gemini',
    worktree: held.worktree,
    paths: ['src/parser.rs'],
    since: b.ago(11),
    blocked_by: [held],
  });
}

function others(b: Builder): void {
  const split = b.session(
    'Split the lock table out of the engine',
    'running',
    1260,
    [
      ['claude', 'thinking', 22, undefined, 88_000],
      ['kimi', 'indexing', 41, '1,204 of 3,310 files', 12_000],
    ],
    640_000,
  );
  b.task(split, 'prompt', 'Split the lock table out of the engine', ['claude', 'kimi'], 'working', 1250);

  const failed = b.session(
    'Add retry with back-off to the fetcher',
    'failed',
    5400,
    [['gemini', 'failed', 4900]],
    210_000,
  );
  const again = b.task(
    failed,
    'prompt',
    'Add retry with back-off to the fetcher',
    ['gemini'],
    'failed',
    5390,
    {
      text: 'The model answered with nonsense three times (model_malformed). Nothing was changed.',
    },
  );
  b.say(again, 'gemini', 5200, [{ type: 'text', text: 'I will start with the request loop.' }]);

  const idle = b.session(
    'Explain the journal format',
    'idle',
    9000,
    [['kimi', 'idle', 8800, undefined, 30_000]],
    31_000,
  );
  const asked = b.task(idle, 'prompt', 'How is a torn tail found?', ['kimi'], 'completed', 8990, {
    text: 'By its hash.',
  });
  b.say(asked, 'kimi', 8950, [{ type: 'text', text: talk.markdown }]);

  for (const [index, title] of [
    'Rename Attempt to Turn everywhere',
    'Fix the clippy warnings',
    'Document every config key',
    'Port the help texts',
  ].entries()) {
    const done = b.session(
      title,
      'completed',
      20_000 + index * 30_000,
      [
        ['codex', 'done', 19_000 + index * 30_000],
        ['claude', 'done', 19_200 + index * 30_000],
      ],
      480_000 - index * 90_000,
    );
    b.task(done, 'prompt', title, ['codex', 'claude'], 'completed', 19_900 + index * 30_000, {
      text: 'Done.',
    });
  }
}

/** One conversation far longer than a page of history. */
function longOne(b: Builder, messages: number): void {
  const session = b.session(
    'A very long conversation',
    'completed',
    200_000,
    [
      ['claude', 'done', 100_000],
      ['gemini', 'done', 100_000],
    ],
    9_400_000,
  );
  const perTask = 25;
  for (let first = 0; first < messages; first += perTask) {
    const begun = 190_000 - first * 10;
    const task = b.task(
      session,
      'prompt',
      `Step ${first / perTask + 1} of the migration`,
      ['claude', 'gemini'],
      'completed',
      begun,
      { text: 'Done.' },
    );
    for (let index = 0; index < perTask; index += 1) {
      const agent = index % 3 === 2 ? 'gemini' : 'claude';
      b.say(task, agent, begun - 5 - index * 9, [
        { type: 'text', text: talk.long[(first + index) % talk.long.length] ?? '' },
      ]);
    }
  }
}

/** What the bus says of a session beside who it is. */
function present(vitality: Vitality) {
  return {
    vitality,
    beat_age_ms: vitality === 'alive' ? 2000 : 95_000,
    status: null,
    tty: null,
    repo: null,
    task: null,
    parent: null,
    sub_agent: null,
    machine: null,
    active_files: [],
  };
}

export function makeWorld(now: number, longMessages = 1000): World {
  const b = new Builder(now);
  surroundings(b);
  const main = refactoring(b);
  others(b);
  longOne(b, longMessages);
  imported(b);
  const [first, second] = b.world.sessions;
  if (first && second) b.world.boards.push(makeBoard(first, second));
  b.notice('codex', 'state', { event: 'file_modified', path: 'src/lexer.rs' }, 250);
  b.notice(
    'claude',
    'file_conflict',
    { event: 'lock_wait', path: 'src/parser.rs', text: 'gemini waits for claude' },
    11,
  );
  b.notice('kimi', 'task_broadcast', { text: 'Rounding is on hold until the mode is decided.' }, 70);
  b.notice('claude', 'design', { text: 'parse_unary now binds tighter than the power operator.' }, 38, {
    thread: 'precedence',
    priority: 2,
    ack_seconds: 60,
    ack_attempts: 3,
  });
  for (const [index, seat] of main.participants.entries()) {
    b.world.registrations.push({
      id: id('reg', 900 + index),
      agent: seat.agent,
      vendor: seat.vendor,
      model: seat.model,
      session: main.id,
      worktree: '/home/dev/projects/calc',
      pid: 4100 + index,
      phase: 'active',
      registered_at: b.ago(400),
      heartbeat_at: b.ago(2),
      ...present('alive'),
      short_id: `3f8k00000${index}`,
    });
  }
  b.world.registrations.push({
    id: id('reg', 950),
    agent: 'claude-terminal',
    vendor: 'anthropic',
    model: null,
    session: null,
    worktree: '/home/dev/projects/website',
    pid: 5210,
    phase: 'idle',
    registered_at: b.ago(3000),
    heartbeat_at: b.ago(95),
    ...present('suspect'),
    short_id: '9q2z000000',
    tty: 'pts/3',
    task: 'Landing page',
    active_files: ['src/index.html'],
  });
  return b.world;
}
