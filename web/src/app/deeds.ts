/**
 * What commands can do. Built once by the shell from the router and the cache; commands never reach
 * for globals of their own.
 */
import type { QueryClient } from '@tanstack/react-query';
import { client, once, take } from '@/api/client';
import { explain } from '@/api/mutations';
import { takeOver } from '@/api/presence';
import { keys } from '@/api/queries';
import type { Page, Repo, Session, Task } from '@/api/nouns';
import { say } from '@/components/toast';
import { many } from '@/components/figures';
import { grouped } from '@/features/session/groups';
import { useTargets } from '@/features/message/drafts';
import { ask } from './confirm';
import { recall } from './remember';
import { isDark, useView } from './view';

export type SessionTab = 'transcript' | 'plan' | 'changes';

export interface Place {
  /** The `:id` of `/s/:id`, or null elsewhere. */
  sessionId: string | null;
  go(path: '/' | '/coord' | '/board'): void;
  openSession(id: string, tab?: SessionTab): void;
}

let place: Place = { sessionId: null, go: () => undefined, openSession: () => undefined };

/** The shell says where the page is now. */
export function arrive(now: Place): void {
  place = now;
}

export function isInSession(): boolean {
  return place.sessionId !== null;
}

export interface Deeds {
  view: ReturnType<typeof useView.getState>;
  go(path: '/' | '/coord' | '/board'): void;
  openLastSession(): void;
  nextNeedingYou(): void;
  stepSession(step: 1 | -1): void;
  stopTasks(): void;
  takeInput(): void;
  archiveSession(): void;
  copy(what: 'path' | 'branch' | 'id'): void;
  toggleTarget(seat: number | 'all'): void;
  showTab(tab: SessionTab): void;
  togglePane(pane: 'rail' | 'inspector'): void;
  toggleTheme(): void;
  toggleSingleKeys(): void;
  reorder(): void;
  jumpToLatest(): void;
}

/** Screens listen for these; a command does not know who is on the page. */
export const REORDER = 'coditect:reorder';
export const LATEST = 'coditect:latest';

export const goTo = (path: '/' | '/coord' | '/board') => (deeds: Deeds) => deeds.go(path);

/** Gives the focus to the first element that carries `data-focus="name"`. */
export const focusOn = (name: string) => () => {
  const found = document.querySelector<HTMLElement>(`[data-focus="${name}"]`);
  found?.scrollIntoView({ block: 'nearest' });
  found?.focus();
};

export function createSession(deeds: Deeds): void {
  deeds.go('/');
  // The start box is there after the route has been drawn.
  requestAnimationFrame(() => requestAnimationFrame(focusOn('start')));
}

/** Moves the focus along the rows of the centre pane. */
export const stepFocus = (step: 1 | -1) => () => {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')];
  const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
};

const open = (session: Session | undefined) => session && place.openSession(session.short_id);

export function createDeeds(cache: QueryClient): Deeds {
  const sessions = () => cache.getQueryData<Page<Session>>(keys.sessions)?.items ?? [];
  const current = () => {
    const id = place.sessionId;
    return id === null ? undefined : sessions().find((one) => one.id === id || one.short_id === id);
  };

  async function stop(session: Session): Promise<void> {
    const tasks = cache.getQueryData<Page<Task>>(keys.tasks(session.id))?.items ?? [];
    const running = tasks.filter((task) => ['submitted', 'working', 'input_required'].includes(task.state));
    if (running.length === 0) {
      say('Nothing is running in this session.');
      return;
    }
    const sure = await ask({
      title: `Stop ${many(running.length, 'task')}?`,
      text: 'The agents are told to end. What they already changed stays.',
      deed: `Stop ${many(running.length, 'task')}`,
    });
    if (!sure) return;
    const orders = running.map((task) =>
      take(client.POST('/api/v1/tasks/{id}/cancel', { params: { path: { id: task.id }, ...once() } })),
    );
    for (const order of await Promise.allSettled(orders)) {
      if (order.status === 'rejected') say(explain(order.reason), 'problem');
    }
    void cache.invalidateQueries({ queryKey: keys.tasks(session.id) });
  }

  async function archive(session: Session): Promise<void> {
    const sure = await ask({
      title: 'Archive this session?',
      text: `“${session.title}” leaves the list. Nothing of it is deleted.`,
      deed: 'Archive',
    });
    if (!sure) return;
    try {
      await take(
        client.POST('/api/v1/sessions/{id}/archive', { params: { path: { id: session.id }, ...once() } }),
      );
      void cache.invalidateQueries({ queryKey: keys.sessions });
      say('Session archived.');
      place.go('/');
    } catch (fault) {
      say(explain(fault), 'problem');
    }
  }

  function copy(what: 'path' | 'branch' | 'id'): void {
    const session = current();
    if (!session) return;
    const repo = cache.getQueryData<Page<Repo>>(keys.repos)?.items.find((one) => one.id === session.repo);
    const text = { path: repo?.path, branch: repo?.default_branch, id: session.short_id }[what];
    if (!text) {
      say(`This session has no ${what === 'path' ? 'repository' : what}.`);
      return;
    }
    void navigator.clipboard.writeText(text).then(() => say(`Copied ${text}`));
  }

  return {
    get view() {
      return useView.getState();
    },
    go: (path) => place.go(path),
    openLastSession() {
      const last = recall('lastSession');
      open(sessions().find((one) => one.id === last) ?? sessions()[0]);
    },
    nextNeedingYou() {
      const needing = grouped(sessions()).needs;
      const at = needing.findIndex((one) => one === current());
      const next = needing[(at + 1) % Math.max(1, needing.length)];
      if (!next) say('Nobody needs you.');
      open(next);
    },
    stepSession(step) {
      const groups = grouped(sessions());
      const order = [...groups.needs, ...groups.working, ...groups.idle, ...groups.done];
      const now = current();
      const at = now ? order.indexOf(now) : -1;
      open(order[(at + step + order.length) % Math.max(1, order.length)]);
    },
    stopTasks() {
      const session = current();
      if (session) void stop(session);
    },
    takeInput() {
      const session = current();
      if (session) void takeOver(session.id).catch((fault) => say(explain(fault), 'problem'));
    },
    archiveSession() {
      const session = current();
      if (session) void archive(session);
    },
    copy,
    toggleTarget(seat) {
      const session = current();
      if (session) useTargets.getState().toggle(session, seat);
    },
    showTab(tab) {
      const id = place.sessionId;
      if (id !== null) place.openSession(id, tab);
    },
    togglePane(pane) {
      const wide = matchMedia(pane === 'rail' ? RAIL_FITS : INSPECTOR_FITS).matches;
      const view = useView.getState();
      if (wide) view.toggle(pane);
      else view.show(view.overlay === pane ? 'none' : pane);
    },
    toggleTheme() {
      useView.getState().setTheme(isDark() ? 'light' : 'dark');
    },
    toggleSingleKeys() {
      useView.getState().toggle('singleKeys');
      say(useView.getState().singleKeys ? 'Single-key shortcuts are on.' : 'Single-key shortcuts are off.');
    },
    reorder: () => void window.dispatchEvent(new Event(REORDER)),
    jumpToLatest: () => void window.dispatchEvent(new Event(LATEST)),
  };
}

/** Below these widths the side panes are drawers. */
export const RAIL_FITS = '(min-width: 820px)';
/** Below this width tables become lists. */
export const NARROW = '(max-width: 640px)';
export const INSPECTOR_FITS = '(min-width: 1140px)';
