/** Makes the nouns of a fixture one by one, with ids that count up and times relative to one moment. */
import type {
  Agent,
  Checkpoint,
  FileChange,
  Lock,
  Message,
  Notice,
  Participant,
  ParticipantStatus,
  Permission,
  Plan,
  Presence,
  Repo,
  Session,
  SessionState,
  Task,
  TaskKind,
  TaskState,
  Turn,
  Usage,
  Wait,
  WholeBoard,
} from '../src/api/nouns';

/** Each level of isolation once, and a sandbox that nothing holds. */
export const TEAM: (Pick<Agent, 'vendor' | 'model' | 'isolation' | 'sandbox'> & {
  agent: string;
  window: number;
})[] = [
  {
    agent: 'claude',
    vendor: 'anthropic',
    model: 'claude-sonnet-4-5',
    window: 200_000,
    isolation: 'shared',
    sandbox: null,
  },
  {
    agent: 'gemini',
    vendor: 'google',
    model: 'gemini-2.5-pro',
    window: 1_000_000,
    isolation: 'sandbox',
    sandbox: { held_by: null, reason: 'bwrap is not installed' },
  },
  {
    agent: 'kimi',
    vendor: 'moonshot',
    model: 'kimi-k2',
    window: 262_144,
    isolation: 'worktree',
    sandbox: null,
  },
  {
    agent: 'codex',
    vendor: 'openai',
    model: 'gpt-5.5',
    window: 400_000,
    isolation: 'sandbox',
    sandbox: { held_by: 'bubblewrap', reason: null },
  },
];

export interface World {
  sessions: Session[];
  tasks: Task[];
  messages: Message[];
  plans: Plan[];
  permissions: Permission[];
  checkpoints: Checkpoint[];
  repos: Repo[];
  agents: Agent[];
  locks: Lock[];
  waits: Wait[];
  notices: Notice[];
  registrations: Presence[];
  boards: WholeBoard[];
}

const hex = (number: number) => number.toString(16).padStart(32, '0');
export const id = (prefix: string, number: number) => `${prefix}_${hex(number)}`;
const shortOf = (number: number) => number.toString(32).padStart(10, 'k3v9x0q7wz').slice(0, 10);

export const usage = (input: number, output: number, micros: number): Usage => ({
  input_tokens: input,
  output_tokens: output,
  cache_read_tokens: Math.round(input * 0.6),
  cache_write_tokens: 0,
  cost_micros: micros,
  cost_source: micros > 0 ? 'table' : 'none',
});

const turnOf = (task: Task, agent: string | null): string =>
  id('trn', parseInt(task.id.slice(4), 16) * 100 + TEAM.findIndex((one) => one.agent === agent));

export class Builder {
  readonly world: World = {
    sessions: [],
    tasks: [],
    messages: [],
    plans: [],
    permissions: [],
    checkpoints: [],
    repos: [],
    agents: [],
    locks: [],
    waits: [],
    notices: [],
    registrations: [],
    boards: [],
  };
  private next = 1;
  readonly now: number;

  constructor(now: number) {
    this.now = now;
  }

  number(): number {
    this.next += 1;
    return this.next;
  }

  /** RFC 3339 time so many seconds ago. */
  ago(seconds: number): string {
    return new Date(this.now - seconds * 1000).toISOString();
  }

  session(
    title: string,
    state: SessionState,
    created: number,
    seats: [
      agent: string,
      status: ParticipantStatus,
      since: number,
      detail?: string | undefined,
      used?: number,
    ][],
    cost: number,
  ): Session {
    const number = this.number();
    const session: Session = {
      id: id('ses', number),
      short_id: shortOf(number),
      workspace: 'default',
      title,
      repo: this.world.repos[0]?.id ?? null,
      board: null,
      parent: null,
      forked_from: null,
      fork_point: null,
      fork_message: null,
      spawn_point: null,
      kind: 'conversation',
      named_by: 'user',
      tags: [],
      callback: null,
      origin: null,
      imported: null,
      created_at: this.ago(created),
      updated_at: this.ago(Math.min(created, ...seats.map((seat) => seat[2]))),
      state,
      archived: false,
      participants: seats.map(([agent, status, since, detail, used]) =>
        this.seat(id('ses', number), agent, status, since, detail ?? null, used ?? 0, created),
      ),
      usage: usage(cost * 0.06, cost * 0.004, cost),
      needs_input: 0,
    };
    this.world.sessions.push(session);
    return session;
  }

  private seat(
    session: string,
    agent: string,
    status: ParticipantStatus,
    since: number,
    detail: string | null,
    used: number,
    joined: number,
  ): Participant {
    const member = TEAM.find((one) => one.agent === agent);
    if (!member) throw new Error(`no agent ${agent}`);
    return {
      id: id('par', this.number()),
      session,
      agent,
      driver: 'native',
      vendor: member.vendor,
      model: member.model,
      context_window: member.window,
      joined_at: this.ago(joined),
      status,
      detail,
      since: this.ago(since),
      context_used: used,
      history: null,
    };
  }

  task(
    session: Session,
    kind: TaskKind,
    title: string,
    agents: string[],
    state: TaskState,
    created: number,
    more: Partial<Task> = {},
  ): Task {
    const number = this.number();
    const begun = state !== 'submitted';
    const over = ['completed', 'failed', 'canceled', 'rejected'].includes(state);
    const task: Task = {
      id: id('tsk', number),
      short_id: shortOf(number),
      session: session.id,
      plan: null,
      kind,
      title,
      prompt: more.prompt ?? title,
      targets: agents.map((agent) => ({
        participant: session.participants.find((one) => one.agent === agent)?.id ?? '',
        agent,
        state,
        attempt: 1,
      })),
      priority: 0,
      rank: 0,
      depends_on: [],
      on_failed: 'cancel',
      deadline: null,
      not_before: null,
      retry: null,
      wants: [],
      pool: false,
      claim: null,
      code: null,
      git_start: null,
      git_end: null,
      messages: null,
      files: [],
      changes: [],
      state,
      attempt: 1,
      text: null,
      question: null,
      created_at: this.ago(created),
      updated_at: this.ago(Math.max(0, created - 90)),
      turns: [],
      usage: usage(0, 0, 0),
      ...more,
    };
    if (begun && task.turns.length === 0) task.turns = this.turns(task, over);
    task.usage = usage(4200 * task.turns.length, 310 * task.turns.length, 17_000 * task.turns.length);
    this.world.tasks.push(task);
    if (state === 'input_required') session.needs_input += 1;
    return task;
  }

  /** A turn for each target, over the whole life of the task. */
  private turns(task: Task, over: boolean): Turn[] {
    const outcomes: Partial<Record<TaskState, Turn['outcome']>> = {
      completed: { state: 'completed', summary: task.text ?? 'done' },
      canceled: { state: 'canceled' },
    };
    const failed = { state: 'failed', code: 'crashed', message: task.text ?? 'gone' } as const;
    return task.targets.map((target) => ({
      id: turnOf(task, target.agent),
      session: task.session,
      task: task.id,
      participant: target.participant,
      run: id('run', this.number()),
      attempt: 1,
      started_at: task.created_at,
      ended_at: over ? task.updated_at : null,
      outcome: over ? (outcomes[task.state] ?? failed) : null,
      usage: usage(4200, 310, 17_000),
      iterations: 3,
      git_start: null,
      git_end: null,
    }));
  }

  say(
    task: Task,
    agent: string | null,
    ago: number,
    blocks: Message['blocks'],
    role?: Message['role'],
  ): Message {
    const number = this.number();
    const seat =
      agent === null ? null : (task.targets.find((one) => one.agent === agent)?.participant ?? null);
    const message: Message = {
      id: id('msg', number),
      session: task.session,
      task: task.id,
      turn: turnOf(task, agent),
      participant: seat,
      parent: null,
      role: role ?? (agent === null ? 'user' : 'assistant'),
      blocks,
      usage: agent === null ? null : usage(4200, 310, 17_000),
      latency_ms: agent === null ? null : 3400,
      created_at: this.ago(ago),
    };
    this.world.messages.push(message);
    return message;
  }

  /** A call and what came back, as two messages. */
  tool(
    task: Task,
    agent: string,
    ago: number,
    tool: string,
    given: unknown,
    output: string,
    exit: number | null = null,
  ): void {
    const call_id = `call_${this.number()}`;
    this.say(task, agent, ago, [{ type: 'tool_call', call_id, tool, arguments: given }]);
    const result = {
      type: 'tool_result',
      call_id,
      tool,
      output,
      is_error: exit !== null && exit !== 0,
      exit_code: exit,
    } as const;
    this.say(task, agent, ago - 1, [result], 'tool');
  }

  change(task: Task, agent: string, path: string, added: number, removed: number): FileChange {
    const change: FileChange = {
      session: task.session,
      task: task.id,
      turn: id('trn', this.number()),
      participant: task.targets.find((one) => one.agent === agent)?.participant ?? '',
      path,
      before: removed === 0 ? null : hex(this.number()).repeat(2),
      after: hex(this.number()).repeat(2),
      lines_added: added,
      lines_removed: removed,
      token: 2 ** 40 + this.number(),
      diff: null,
    };
    task.changes.push(change);
    return change;
  }

  lock(session: Session, agent: string, path: string, held: number, mode: Lock['mode'] = 'exclusive'): Lock {
    const lock: Lock = {
      worktree: '/home/dev/projects/calc',
      path,
      mode,
      holder: id('reg', this.number()),
      agent,
      session: session.id,
      token: 2 ** 40 + this.number(),
      acquired_at: this.ago(held),
      expires_at: new Date(this.now + 48_000).toISOString(),
    };
    this.world.locks.push(lock);
    return lock;
  }

  notice(
    agent: string,
    channel: string,
    payload: unknown,
    ago: number,
    envelope: Partial<Notice> = {},
  ): void {
    this.world.notices.push({
      id: this.number(),
      sender: id('reg', this.number()),
      agent,
      channel,
      recipient: null,
      payload,
      created_at: this.ago(ago),
      ttl_seconds: 300,
      audience: [],
      thread: null,
      priority: 0,
      reply_to: null,
      ack_seconds: null,
      ack_attempts: null,
      ...envelope,
    });
  }
}
