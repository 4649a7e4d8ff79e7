/**
 * What a frame changes on the page: patched in place where the frame says it all, asked for again where it
 * does not. Invariant: after a batch, everything shown is either what the daemon said or being asked for.
 */
import type { InfiniteData, QueryClient, QueryKey } from '@tanstack/react-query';
import { useActivity } from './activity';
import { useConnection } from './connection';
import { useLive } from './live';
import { keys } from './queries';
import type {
  DeltaFrame,
  EventFrame,
  Frame,
  LiveTurn,
  Message,
  Page,
  Participant,
  ParticipantStatus,
  Plan,
  ResourceFrame,
  Session,
  Task,
} from './nouns';

/** Reads that follow events wait this long, so that a burst is one read. */
export const REFRESH_MS = 300;

interface StatusChange {
  session: string;
  participant: string;
  status: ParticipantStatus;
  detail: string | null;
}

/** Which reads an event makes stale, by the noun in its kind. */
function stale(event: EventFrame): QueryKey[] {
  const noun = event.kind.slice(0, event.kind.indexOf('.'));
  const of = (pick: (session: string) => QueryKey): QueryKey[] =>
    event.session ? [pick(event.session)] : [];
  switch (noun) {
    case 'session':
    case 'participant':
      return [keys.sessions, ...of(keys.session), keys.status];
    case 'task':
    case 'turn':
    case 'file':
    case 'edit':
      return [keys.sessions, keys.openTasks, ...of(keys.session), ...of(keys.tasks), keys.status];
    case 'model':
      return [keys.sessions, ...of(keys.session), keys.status];
    case 'plan':
      return [...of(keys.plans), ...of(keys.tasks)];
    case 'checkpoint':
      return of(keys.checkpoints);
    case 'lock':
      return [keys.locks, keys.status];
    case 'notice':
      return [keys.notices];
    case 'registration':
      return [keys.registrations];
    case 'repo':
      return [keys.repos];
    default:
      return [];
  }
}

/** Turns frames into changes of the cache. One per page. */
export function createEffects(cache: QueryClient, delay: (run: () => void, ms: number) => void = setTimeout) {
  const waiting = new Map<string, QueryKey>();
  let due = false;

  function refresh(key: QueryKey): void {
    waiting.set(JSON.stringify(key), key);
    if (due) return;
    due = true;
    delay(() => {
      due = false;
      const batch = [...waiting.values()];
      waiting.clear();
      for (const queryKey of batch) void cache.invalidateQueries({ queryKey, exact: true });
    }, REFRESH_MS);
  }

  function event(frame: EventFrame): void {
    switch (frame.kind) {
      case 'message.appended':
        append(cache, frame.payload as Message);
        break;
      case 'participant.status_changed':
        // The list is patched, not asked for: statuses change several times a second.
        restate(cache, frame.payload as StatusChange, frame.ts);
        return;
      case 'turn.started': {
        const turn = frame.payload as Omit<LiveTurn, 'turn' | 'text' | 'thinking'> & { id: string };
        useLive.getState().begin({ ...turn, turn: turn.id });
        break;
      }
      case 'turn.ended':
        useLive.getState().end((frame.payload as { turn: string }).turn);
        break;
      default:
        break;
    }
    for (const key of stale(frame)) refresh(key);
  }

  return {
    apply(frames: Frame[]): void {
      const deltas: DeltaFrame[] = [];
      // Deltas are applied in one go, but never across an event that may end their message.
      const settle = () => {
        if (deltas.length > 0) useLive.getState().apply(deltas.splice(0));
      };
      const events: EventFrame[] = [];
      for (const frame of frames) {
        if (frame.type === 'delta') {
          deltas.push(frame);
          continue;
        }
        settle();
        if (frame.type === 'hello') useConnection.getState().greet(frame.version);
        if (frame.type === 'resource') replace(cache, frame);
        if (frame.type === 'event') {
          event(frame);
          events.push(frame);
        }
      }
      settle();
      useActivity.getState().add(events);
      const { gaps, session } = useLive.getState();
      if (gaps.size > 0 && session) refresh(keys.live(session));
    },
    /** Everything may be stale. */
    reset(): void {
      void cache.invalidateQueries();
    },
  };
}

function append(cache: QueryClient, message: Message): void {
  useLive.getState().commit(message);
  cache.setQueryData<InfiniteData<Page<Message>, string | null>>(keys.messages(message.session), (data) => {
    const newest = data?.pages[0];
    if (!data || !newest || data.pages.some((page) => page.items.some((one) => one.id === message.id)))
      return data;
    return { ...data, pages: [{ ...newest, items: [...newest.items, message] }, ...data.pages.slice(1)] };
  });
}

function restate(cache: QueryClient, change: StatusChange, at: string): void {
  const patch = (session: Session): Session => ({
    ...session,
    participants: session.participants.map((one) =>
      one.id === change.participant
        ? { ...one, status: change.status, detail: change.detail, since: at }
        : one,
    ),
  });
  patchSession(cache, change.session, patch);
}

function patchSession(cache: QueryClient, id: string, patch: (session: Session) => Session): void {
  cache.setQueryData<Page<Session>>(
    keys.sessions,
    (page) => page && { ...page, items: page.items.map((one) => (one.id === id ? patch(one) : one)) },
  );
  cache.setQueriesData<Session>({ queryKey: ['session'] }, (one) => (one?.id === id ? patch(one) : one));
}

/** Puts a whole noun in the place of its older self. */
function replace(cache: QueryClient, frame: ResourceFrame): void {
  if (frame.body === null || typeof frame.body !== 'object') return;
  const removed = frame.action === 'removed';
  switch (frame.noun) {
    case 'session': {
      const session = frame.body as Session;
      patchSession(cache, frame.id, () => session);
      upsert(cache, keys.sessions, session, removed || session.archived, 'first');
      break;
    }
    case 'participant': {
      const participant = frame.body as Participant;
      patchSession(cache, participant.session, (session) => ({
        ...session,
        participants: session.participants.some((one) => one.id === participant.id)
          ? session.participants.map((one) => (one.id === participant.id ? participant : one))
          : [...session.participants, participant],
      }));
      break;
    }
    case 'task': {
      const task = frame.body as Task;
      const open = task.state === 'working' || task.state === 'input_required';
      upsert(cache, keys.tasks(task.session), task, removed, 'last');
      upsert(cache, keys.openTasks, task, removed || !open, 'last');
      break;
    }
    case 'plan': {
      const plan = frame.body as Plan;
      upsert(cache, keys.plans(plan.session), plan, removed, 'last');
      break;
    }
    case 'message':
      if (!removed) append(cache, frame.body as Message);
      break;
    default:
      break;
  }
}

function upsert<T extends { id: string }>(
  cache: QueryClient,
  key: QueryKey,
  noun: T,
  gone: boolean,
  place: 'first' | 'last',
): void {
  cache.setQueryData<Page<T>>(key, (page) => {
    if (!page) return page;
    const known = page.items.some((one) => one.id === noun.id);
    if (gone) return known ? { ...page, items: page.items.filter((one) => one.id !== noun.id) } : page;
    if (known) return { ...page, items: page.items.map((one) => (one.id === noun.id ? noun : one)) };
    return { ...page, items: place === 'first' ? [noun, ...page.items] : [...page.items, noun] };
  });
}
