/** What happens in the mock daemon: events, deltas and the little the scripted agents do. */
import type { LiveTurn, ParticipantStatus, Plan, Session, Status, Task } from '../src/api/nouns';
import { Builder, id, usage, type World } from './builder';
import type { MockStream } from './mock-stream';
import { talk } from './words';

const TICK_MS = 33;
/** Characters per tick and agent: about a hundred tokens a second. */
const PIECE = 13;

interface Writing extends LiveTurn {
  whole: string;
  done(): void;
}

const agentsOf = (task: Task): string[] => task.targets.map((target) => target.agent ?? '');

export class Play {
  private readonly world: World;
  private readonly stream: MockStream;
  private next = 5000;
  private writing: Writing[] = [];
  private timer: ReturnType<typeof setInterval> | null = null;

  constructor(world: World, stream: MockStream) {
    this.world = world;
    this.stream = stream;
    this.remember();
    const main = world.sessions[0];
    const task = world.tasks.find((one) => one.title === 'Fix precedence of unary minus');
    const claude = main?.participants[0];
    if (main && task && claude) {
      const start = talk.streaming.slice(0, 330);
      this.writing.push({
        session: main.id,
        turn: id('trn', 4242),
        task: task.id,
        participant: claude.id,
        text: start,
        thinking: '',
        whole: talk.streaming,
        done: () => undefined,
      });
    }
  }

  /** What happened before anybody looked. */
  private remember(): void {
    const [main] = this.world.sessions;
    const [plan] = this.world.plans;
    if (!main || !plan) return;
    const then = (kind: string, actor: string, payload: unknown, seconds: number) =>
      this.stream.emit(kind, main.id, actor, payload, new Date(Date.now() - seconds * 1000).toISOString());
    then('session.created', 'user', main, 412);
    then('plan.created', 'user', plan, 408);
    for (const [index, proposal] of plan.proposals.entries())
      then('plan.proposed', proposal.agent, proposal, 345 - index * 9);
    then('plan.merged', 'system', plan, 305);
    then('lock.changed', 'codex', { phase: 'acquired', path: 'src/lexer.rs', agent: 'codex' }, 255);
    then('file.modified', 'codex', { path: 'src/lexer.rs' }, 250);
    then('lock.changed', 'codex', { phase: 'released', path: 'src/lexer.rs', agent: 'codex' }, 249);
    then('task.completed', 'codex', { text: 'Numbers may carry an exponent now.' }, 180);
    then('checkpoint.created', 'system', this.world.checkpoints[0], 176);
    then('task.input_requested', 'kimi', { question: talk.question }, 72);
    then('lock.changed', 'claude', { phase: 'acquired', path: 'src/parser.rs', agent: 'claude' }, 14);
    then('file.modified', 'claude', { path: 'src/parser.rs' }, 13);
    then('lock.changed', 'gemini', { phase: 'waiting', path: 'src/parser.rs', agent: 'gemini' }, 11);
  }

  /** Lets the agents go on: text streams, and starts over when it is written. */
  start(): void {
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  live(session: string): LiveTurn[] {
    return this.writing
      .filter((one) => one.session === session)
      .map(({ turn, task, participant, text, thinking }) => ({
        session,
        turn,
        task,
        participant,
        text,
        thinking,
      }));
  }

  status(): Status {
    const { sessions, locks } = this.world;
    return {
      version: '0.1.0-mock',
      workspace: 'default',
      started_at: new Date().toISOString(),
      cursor: this.stream.newest,
      config_version: 1,
      connections: 1,
      draining: false,
      refused_credentials: 0,
      slow_watchers_cut: 0,
      watchers: 1,
      sessions: sessions.length,
      running_turns: this.writing.length,
      locks: locks.length,
      needs_input: sessions.reduce((sum, one) => sum + one.needs_input, 0),
      usage: usage(
        0,
        0,
        sessions.reduce((sum, one) => sum + one.usage.cost_micros, 0),
      ),
      dropped: 0,
    };
  }

  setStatus(session: Session, agent: string, status: ParticipantStatus, detail: string | null = null): void {
    const seat = session.participants.find((one) => one.agent === agent);
    if (!seat) return;
    Object.assign(seat, { status, detail, since: new Date().toISOString() });
    this.stream.emit('participant.status_changed', session.id, 'system', {
      session: session.id,
      participant: seat.id,
      status,
      detail,
    });
  }

  createSession(wish: { title: string; repo?: string; agents: string[] }): Session {
    const builder = new Builder(Date.now());
    builder.world.repos.push(...this.world.repos);
    this.next += 50;
    for (let i = 0; i < this.next; i += 1) builder.number();
    const session = builder.session(
      wish.title,
      'idle',
      0,
      wish.agents.map((agent) => [agent, 'idle', 0]),
      0,
    );
    session.repo = wish.repo ?? null;
    this.world.sessions.unshift(session);
    this.stream.emit('session.created', session.id, 'user', session);
    return session;
  }

  changeSession(session: Session, change: Partial<Session>): Session {
    Object.assign(session, change);
    this.stream.emit(change.archived ? 'session.archived' : 'session.renamed', session.id, 'user', {
      session: session.id,
      ...change,
    });
    return session;
  }

  private makeTask(
    session: Session,
    kind: Task['kind'],
    text: string,
    agents: string[],
    plan: string | null,
  ): Task {
    const builder = new Builder(Date.now());
    this.next += 10;
    for (let i = 0; i < this.next; i += 1) builder.number();
    const task = builder.task(
      session,
      kind,
      text.split('\n', 1)[0]?.slice(0, 80) ?? '',
      agents,
      'submitted',
      0,
      { prompt: text, plan },
    );
    this.world.tasks.push(task);
    this.stream.emit('task.submitted', session.id, 'user', task);
    return task;
  }

  prompt(session: Session, text: string, targets: string[]): Task {
    const agents = targets.length > 0 ? targets : session.participants.map((one) => one.agent);
    const task = this.makeTask(session, 'prompt', text, agents, null);
    this.move(task, 'working');
    const question = /\[\[ask ([^\]]+)\]\]/.exec(text)?.[1];
    for (const agent of agents) {
      this.setStatus(session, agent, 'thinking');
      if (question === undefined)
        this.write(session, task, agent, `Understood. ${talk.long[3]}`, () =>
          this.finish(session, task, agent),
        );
    }
    if (question !== undefined) this.ask(session, task, agents[0] ?? '', question);
    return task;
  }

  coordinate(session: Session, prompt: string, agents: string[], worktrees = false): Plan {
    this.next += 1;
    const plan: Plan = {
      id: id('pln', this.next),
      short_id: 'plan000001',
      session: session.id,
      repo: session.repo ?? '',
      prompt,
      participants: session.participants.filter((one) => agents.includes(one.agent)).map((one) => one.id),
      branch: 'main',
      created_at: new Date().toISOString(),
      state: 'proposing',
      worktrees,
      proposals: [],
      merged: null,
      tests: null,
      text: null,
      tasks: [],
      kept: null,
    };
    this.world.plans.push(plan);
    this.stream.emit('plan.created', session.id, 'user', plan);
    for (const agent of agents) {
      const task = this.makeTask(session, 'propose', prompt, [agent], plan.id);
      this.move(task, 'working');
      this.setStatus(session, agent, 'thinking');
    }
    return plan;
  }

  private ask(session: Session, task: Task, agent: string, question: string): void {
    const participant = session.participants.find((one) => one.agent === agent)?.id ?? '';
    task.question = { session: session.id, task: task.id, turn: id('trn', this.next), participant, question };
    session.needs_input += 1;
    this.move(task, 'input_required');
    this.stream.emit('task.input_requested', session.id, agent, { ...task.question, session: session.id });
    this.setStatus(session, agent, 'needs_input', question);
  }

  answer(task: Task, answer: string): Task {
    const session = this.world.sessions.find((one) => one.id === task.session);
    if (!session) return task;
    session.needs_input = Math.max(0, session.needs_input - 1);
    task.question = null;
    this.move(task, 'working');
    this.stream.emit('task.input_answered', session.id, 'user', {
      session: session.id,
      task: task.id,
      answer,
    });
    for (const agent of agentsOf(task)) {
      this.write(session, task, agent, `Then ${answer} it is.`, () => this.finish(session, task, agent));
    }
    return task;
  }

  /** As the daemon: the first decision counts, and only about what was shown. */
  decide(wanted: string, allowed: boolean, hash: string): { status: number; body: unknown } | null {
    const permission = this.world.permissions.find((one) => one.id === wanted);
    if (!permission) return null;
    if (permission.arguments_hash !== hash) {
      const error = { code: 'permission_changed', message: 'the arguments are others', hint: 'look again' };
      return { status: 409, body: { error } };
    }
    this.world.permissions = this.world.permissions.filter((one) => one !== permission);
    const { session, participant, turn } = permission;
    const decision = {
      permission: wanted,
      session,
      participant,
      turn,
      allowed,
      scope: 'once',
      by: 'user',
      reason: '',
    };
    this.stream.emit('permission.decided', session, 'user', decision);
    return { status: 200, body: permission };
  }

  cancel(task: Task): Task {
    const session = this.world.sessions.find((one) => one.id === task.session);
    if (!session) return task;
    if (task.state === 'input_required') session.needs_input -= 1;
    this.writing = this.writing.filter((one) => one.task !== task.id);
    task.text = 'Canceled by you.';
    this.move(task, 'canceled');
    this.stream.emit('task.canceled', session.id, 'user', {
      session: session.id,
      task: task.id,
      text: task.text,
    });
    for (const agent of agentsOf(task)) this.setStatus(session, agent, 'idle');
    return task;
  }

  breakLock(token: number): object {
    const lock = this.world.locks.find((one) => one.token === token);
    this.world.locks = this.world.locks.filter((one) => one !== lock);
    this.world.waits = this.world.waits.filter(
      (one) => !one.blocked_by.some((other) => other.token === token),
    );
    if (lock)
      this.stream.emit('lock.changed', lock.session, 'user', { ...lock, phase: 'broken', other: null });
    return {};
  }

  private move(task: Task, state: Task['state']): void {
    task.state = state;
    task.updated_at = new Date().toISOString();
    for (const target of task.targets) target.state = state;
    const session = this.world.sessions.find((one) => one.id === task.session);
    if (session) {
      const tasks = this.world.tasks.filter((one) => one.session === session.id);
      const open = tasks.some((one) => ['submitted', 'working', 'input_required'].includes(one.state));
      session.state = open ? 'running' : 'completed';
      session.updated_at = task.updated_at;
    }
    if (state === 'working')
      this.stream.emit('task.started', task.session, 'system', { session: task.session, task: task.id });
  }

  /** Streams a text; `done` runs when it is committed as a message. */
  write(session: Session, task: Task, agent: string, text: string, done: () => void): void {
    const participant = session.participants.find((one) => one.agent === agent)?.id ?? '';
    this.next += 1;
    const turn = id('trn', this.next);
    this.stream.emit('turn.started', session.id, agent, {
      id: turn,
      session: session.id,
      task: task.id,
      participant,
      run: '',
      attempt: 1,
    });
    this.writing.push({
      session: session.id,
      turn,
      task: task.id,
      participant,
      text: '',
      thinking: '',
      whole: text,
      done,
    });
    this.start();
  }

  private finish(session: Session, task: Task, agent: string): void {
    this.setStatus(session, agent, 'done');
    if (this.writing.some((one) => one.task === task.id)) return;
    task.text = 'Done.';
    this.move(task, 'completed');
    this.stream.emit('task.completed', session.id, agent, {
      session: session.id,
      task: task.id,
      text: task.text,
    });
  }

  private tick(): void {
    for (const one of this.writing.slice()) {
      const text = one.whole.slice(one.text.length, one.text.length + PIECE);
      const { session, turn, participant } = one;
      this.stream.send({
        type: 'delta',
        session,
        turn,
        participant,
        kind: 'text',
        offset: Buffer.byteLength(one.text),
        text,
      });
      one.text += text;
      if (one.text.length >= one.whole.length) this.commit(one);
    }
  }

  private commit(one: Writing): void {
    this.writing = this.writing.filter((other) => other !== one);
    this.next += 1;
    const message = {
      id: id('msg', this.next),
      session: one.session,
      task: one.task,
      turn: one.turn,
      participant: one.participant,
      parent: null,
      role: 'assistant' as const,
      blocks: [{ type: 'text' as const, text: one.whole }],
      usage: usage(900, 120, 4000),
      latency_ms: 2000,
      created_at: new Date().toISOString(),
    };
    this.world.messages.push(message);
    this.stream.emit('message.appended', one.session, 'agent', message);
    one.done();
    const { session, task, turn, participant } = one;
    this.stream.emit('turn.ended', session, 'agent', { session, task, turn, participant });
  }
}
