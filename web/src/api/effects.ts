/**
 * What the frames of the stream change on the page. Resources patch the cache in place; figures that follow
 * from many resources are asked for again, one noun at a time and at most every `REFRESH_MS`. Invariant:
 * after a batch, everything shown is either what the daemon said or being asked for.
 */
import type { InfiniteData, QueryClient, QueryKey } from '@tanstack/react-query';
import { useActivity } from './activity';
import { client, take } from './client';
import { useConnection } from './connection';
import { useLive } from './live';
import type {
  Checkpoint,
  Compaction,
  DeltaFrame,
  EventRecord,
  FileChange,
  Frame,
  Message,
  Notice,
  Page,
  Participant,
  Permission,
  Plan,
  Proposal,
  ResourceFrame,
  Session,
  Task,
  Turn,
} from './nouns';
import { usePresence } from './presence';
import { keys } from './queries';

/** Reads that follow events wait this long, so that a burst is one read. */
export const REFRESH_MS = 300;

const OPEN: ReadonlySet<string> = new Set(['submitted', 'working', 'input_required']);

/** How one noun is read again. Stands apart so that tests need no network. */
export interface Look {
  session(id: string): Promise<Session>;
  task(id: string): Promise<Task>;
}

const daemon: Look = {
  session: (id) => take(client.GET('/api/v1/sessions/{id}', { params: { path: { id } } })),
  task: (id) => take(client.GET('/api/v1/tasks/{id}', { params: { path: { id } } })),
};

export class Effects {
  private readonly cache: QueryClient;
  private readonly look: Look;
  private readonly delay: (run: () => void, ms: number) => void;
  private readonly due = new Map<string, () => void>();
  private waiting = false;

  constructor(
    cache: QueryClient,
    look: Look = daemon,
    delay: (run: () => void, ms: number) => void = (run, ms) => void setTimeout(run, ms),
  ) {
    this.cache = cache;
    this.look = look;
    this.delay = delay;
  }

  readonly apply = (frames: Frame[]): void => {
    const deltas: DeltaFrame[] = [];
    // Deltas are applied in one go, but never across a frame that may end their message.
    const settle = () => {
      if (deltas.length > 0) useLive.getState().apply(deltas.splice(0));
    };
    const events: EventRecord[] = [];
    for (const frame of frames) {
      if (frame.type === 'delta') {
        deltas.push(frame);
        continue;
      }
      settle();
      if (frame.type === 'hello') useConnection.getState().greet(frame.version);
      if (frame.type === 'presence') usePresence.getState().hear(frame);
      if (frame.type === 'resource') this.resource(frame);
      if (frame.type === 'event') {
        events.push(frame);
        // A wait for a lock is an event without a resource.
        if (frame.kind === 'lock.changed') this.refresh(keys.locks);
        // Cards show the conflicts of what they stand for.
        if (frame.kind === 'conflict.changed') this.refreshBoards();
      }
    }
    settle();
    useActivity.getState().add(events);
    const { gaps, session } = useLive.getState();
    if (gaps.size > 0 && session) this.refresh(keys.live(session));
  };

  /** The stream is there again. Deltas are not repeated, so the text so far is asked for. */
  readonly resume = (everything: boolean): void => {
    if (everything) this.reset();
    else void this.cache.invalidateQueries({ queryKey: ['live'] });
  };

  /** Everything may be stale. */
  readonly reset = (): void => {
    void this.cache.invalidateQueries();
  };

  private later(name: string, run: () => void): void {
    this.due.set(name, run);
    if (this.waiting) return;
    this.waiting = true;
    this.delay(() => {
      this.waiting = false;
      const batch = [...this.due.values()];
      this.due.clear();
      for (const one of batch) one();
    }, REFRESH_MS);
  }

  private refresh(queryKey: QueryKey): void {
    this.later(JSON.stringify(queryKey), () => void this.cache.invalidateQueries({ queryKey, exact: true }));
  }

  /** A session's state, cost and counts follow from its tasks and turns. */
  private refreshSession(id: string): void {
    this.refresh(keys.status);
    this.later(`session ${id}`, () => {
      void this.look
        .session(id)
        .then((session) => this.putSession(session))
        // The session list shows what it knew; a lost connection is told by the status bar.
        .catch(() => undefined);
    });
  }

  /** A target's state is told by turns, not by its task. */
  private refreshTask(id: string): void {
    this.later(`task ${id}`, () => {
      void this.look
        .task(id)
        .then((task) => this.putTask(task))
        .catch(() => undefined);
    });
  }

  private resource(frame: ResourceFrame): void {
    const { action, noun, id, body } = frame;
    const removed = action === 'removed';
    switch (noun) {
      case 'session':
        if (removed) {
          this.editPage<Session>(keys.sessions, (sessions) => sessions.filter((one) => one.id !== id));
          this.refresh(keys.status);
          this.refreshBoards();
          break;
        }
        if (action === 'created') this.putSession(body as Session);
        else this.patchSession(id, (session) => ({ ...session, ...(body as Partial<Session>) }));
        this.refreshSession(id);
        break;
      case 'participant':
        this.participant(id, action === 'created', body as Participant);
        break;
      case 'task':
        if (action === 'created') this.putTask(this.named(body as Task));
        else this.patchTask(id, body as Partial<Task> & { session: string });
        this.refreshTask(id);
        break;
      case 'turn':
        this.turn(id, action === 'created', body as Turn);
        break;
      case 'message':
        if (action === 'created') this.message(body as Message);
        break;
      case 'file_change':
        this.change(body as FileChange);
        break;
      case 'plan':
        this.upsert(keys.plans((body as Plan).session), id, body as Partial<Plan>, action === 'created');
        break;
      case 'permission':
        this.permission(id, body as Permission);
        break;
      case 'proposal':
        this.proposal(body as Proposal);
        break;
      case 'checkpoint':
        // Of one that was removed, or restored, nobody says whose it is.
        if (action === 'created')
          this.upsert(keys.checkpoints((body as Checkpoint).session), id, body as Checkpoint, true);
        else void this.cache.invalidateQueries({ queryKey: ['checkpoints'] });
        this.refresh(keys.repos);
        break;
      case 'compaction':
        this.refresh(keys.compactions((body as Compaction).session));
        break;
      case 'notice':
        this.notice(body as Notice);
        break;
      case 'lock':
        this.refresh(keys.locks);
        this.refresh(keys.status);
        break;
      case 'registration':
        this.refresh(keys.registrations);
        break;
      case 'repo':
        this.refresh(keys.repos);
        break;
      case 'board':
      case 'card':
      case 'zone':
      case 'firing':
      case 'comment':
        this.refreshBoards();
        break;
      case 'worktree':
        // One that is put away takes its card along.
        this.refreshBoards();
        break;
      default:
        // Runs and drafts are not shown.
        if (removed && noun === 'draft') this.refreshGap();
        break;
    }
  }

  /** What is on a board follows from many resources: where its zones are, what its cards stand for. */
  private refreshBoards(): void {
    this.refresh(keys.boards);
    this.later('boards', () => void this.cache.invalidateQueries({ queryKey: keys.everyBoard }));
  }

  /** A draft that goes away without a message means that its text was given up. */
  private refreshGap(): void {
    const { gaps, session } = useLive.getState();
    if (gaps.size > 0 && session) this.refresh(keys.live(session));
  }

  private turn(id: string, begun: boolean, turn: Turn): void {
    if (begun) {
      const { session, task, participant } = turn;
      useLive.getState().begin({ turn: id, session, task, participant });
      this.patchTurns(session, (one) =>
        one.id === task && !one.turns.some((known) => known.id === id)
          ? { ...one, turns: [...one.turns, turn] }
          : one,
      );
      this.refreshTask(task);
    } else if (turn.outcome) {
      const task = useLive.getState().turns[id]?.task;
      useLive.getState().end(id);
      this.patchTurns(turn.session, (one) =>
        one.turns.some((known) => known.id === id)
          ? { ...one, turns: one.turns.map((known) => (known.id === id ? { ...known, ...turn } : known)) }
          : one,
      );
      if (task) this.refreshTask(task);
    }
    this.refreshSession(turn.session);
  }

  private message(message: Message): void {
    append(this.cache, message);
    // What a model's answer cost is added up with its task.
    if (message.usage && message.task) this.refreshTask(message.task);
  }

  private patchTurns(session: string, patch: (task: Task) => Task): void {
    for (const key of [keys.tasks(session), keys.openTasks])
      this.editPage<Task>(key, (tasks) => tasks.map(patch));
  }

  private participant(id: string, joined: boolean, body: Participant): void {
    this.patchSession(body.session, (session) => ({
      ...session,
      participants:
        joined && !session.participants.some((one) => one.id === id)
          ? [...session.participants, body]
          : session.participants.map((one) => (one.id === id ? { ...one, ...body } : one)),
    }));
  }

  private change(change: FileChange): void {
    const same = (one: FileChange) =>
      one.turn === change.turn && one.path === change.path && one.after === change.after;
    this.editPage<Task>(keys.tasks(change.session), (tasks) =>
      tasks.map((task) =>
        task.id === change.task && !task.changes.some(same)
          ? { ...task, changes: [...task.changes, change] }
          : task,
      ),
    );
  }

  private proposal(proposal: Proposal): void {
    this.editPage<Plan>(keys.plans(proposal.session), (plans) =>
      plans.map((plan) =>
        plan.id === proposal.plan && !plan.proposals.some((one) => one.participant === proposal.participant)
          ? { ...plan, proposals: [...plan.proposals, proposal] }
          : plan,
      ),
    );
  }

  /** Only what waits is kept: what is decided is over. */
  private permission(id: string, body: Permission): void {
    this.upsert(keys.permissions, id, body, body.id === id);
    this.editPage<Permission>(keys.permissions, (all) => all.filter((one) => one.decision === null));
  }

  private notice(notice: Notice): void {
    this.editPage<Notice>(keys.notices, (notices) =>
      notices.some((one) => one.id === notice.id) ? notices : [...notices, notice],
    );
  }

  private patchSession(id: string, patch: (session: Session) => Session): void {
    this.editPage<Session>(keys.sessions, (sessions) =>
      sessions.map((one) => (one.id === id ? patch(one) : one)).filter((one) => !one.archived),
    );
    this.cache.setQueriesData<Session>({ queryKey: ['session'] }, (one) =>
      one?.id === id ? patch(one) : one,
    );
  }

  private putSession(session: Session): void {
    this.patchSession(session.id, () => session);
    this.editPage<Session>(keys.sessions, (sessions) =>
      // A question to a session has a session of its own, which is in no list.
      session.archived || session.kind === 'aside' || sessions.some((one) => one.id === session.id)
        ? sessions
        : [session, ...sessions],
    );
  }

  /** A resource names its targets by their seats; who sits there is known from the session. */
  private named(task: Task): Task {
    const seats = this.cache
      .getQueryData<Page<Session>>(keys.sessions)
      ?.items.find((one) => one.id === task.session)?.participants;
    const agent = (seat: string) => seats?.find((one) => one.id === seat)?.agent ?? null;
    return {
      ...task,
      targets: task.targets.map((one) =>
        one.agent === null ? { ...one, agent: agent(one.participant) } : one,
      ),
    };
  }

  private patchTask(id: string, body: Partial<Task> & { session: string }): void {
    this.upsert(keys.tasks(body.session), id, body, false);
    this.upsert(keys.openTasks, id, body, false);
    this.dropClosed();
  }

  private putTask(task: Task): void {
    this.upsert(keys.tasks(task.session), task.id, task, true);
    this.upsert(keys.openTasks, task.id, task, true);
    this.dropClosed();
  }

  private dropClosed(): void {
    this.editPage<Task>(keys.openTasks, (tasks) => tasks.filter((task) => OPEN.has(task.state)));
  }

  /** Puts the fields over what is known under the id; what is not known is added when it is whole. */
  private upsert(key: QueryKey, id: string, fields: object, whole: boolean): void {
    this.editPage<{ id: string }>(key, (items) => {
      if (items.some((one) => one.id === id)) {
        return items.map((one) => (one.id === id ? { ...one, ...fields } : one));
      }
      return whole ? [...items, fields as { id: string }] : items;
    });
  }

  private editPage<T>(key: QueryKey, edit: (items: T[]) => T[]): void {
    this.cache.setQueryData<Page<T>>(key, (page) => page && { ...page, items: edit(page.items) });
  }
}

function append(cache: QueryClient, message: Message): void {
  useLive.getState().commit(message);
  cache.setQueryData<InfiniteData<Page<Message>, string | null>>(keys.messages(message.session), (data) => {
    const newest = data?.pages[0];
    if (!data || !newest) return data;
    if (data.pages.some((page) => page.items.some((one) => one.id === message.id))) return data;
    return { ...data, pages: [{ ...newest, items: [...newest.items, message] }, ...data.pages.slice(1)] };
  });
}
