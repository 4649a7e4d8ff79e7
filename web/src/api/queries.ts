/** What the page asks for, and under which key it is kept. Events find their data by these keys. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { client, take } from './client';
import { useLive } from './live';
import type { Page, Task } from './nouns';

/** Messages per page of history; the daemon gives no more at once. */
export const MESSAGE_PAGE = 200;

export const keys = {
  status: ['status'] as const,
  sessions: ['sessions'] as const,
  session: (id: string) => ['session', id] as const,
  tasks: (session: string) => ['tasks', 'of', session] as const,
  openTasks: ['tasks', 'open'] as const,
  messages: (session: string) => ['messages', session] as const,
  live: (session: string) => ['live', session] as const,
  plans: (session: string) => ['plans', session] as const,
  checkpoints: (session: string) => ['checkpoints', session] as const,
  compactions: (session: string) => ['compactions', session] as const,
  agents: ['agents'] as const,
  repos: ['repos'] as const,
  locks: ['locks'] as const,
  notices: ['notices'] as const,
  permissions: ['permissions'] as const,
  receipts: (notice: number) => ['receipts', notice] as const,
  registrations: ['registrations'] as const,
  boards: ['boards'] as const,
  everyBoard: ['board'] as const,
  board: (id: string) => ['board', id] as const,
};

export const statusQuery = queryOptions({
  queryKey: keys.status,
  queryFn: ({ signal }) => take(client.GET('/api/v1/status', { signal })),
});

export const sessionsQuery = queryOptions({
  queryKey: keys.sessions,
  queryFn: ({ signal }) =>
    take(client.GET('/api/v1/sessions', { signal, params: { query: { limit: 200 } } })),
  select: (page) => page.items,
});

export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: keys.session(id),
    queryFn: ({ signal }) => take(client.GET('/api/v1/sessions/{id}', { signal, params: { path: { id } } })),
  });

export const tasksQuery = (session: string) =>
  queryOptions({
    queryKey: keys.tasks(session),
    queryFn: ({ signal }) =>
      take(client.GET('/api/v1/sessions/{id}/tasks', { signal, params: { path: { id: session } } })),
    select: (page) => page.items,
  });

/** Pages of open tasks that are asked for; of more the newest are shown. */
const OPEN_TASK_PAGES = 10;

/** Page after page, from the newest to the oldest. */
async function openTasks(signal: AbortSignal): Promise<Page<Task>> {
  const items: Task[] = [];
  let before: string | null = null;
  for (let pages = 0; pages < OPEN_TASK_PAGES; pages += 1) {
    const params = before === null ? {} : { query: { before } };
    // Each page says where the one before it begins.
    const page: Page<Task> = await take(client.GET('/api/v1/tasks', { signal, params }));
    items.unshift(...page.items);
    before = page.next;
    if (before === null) break;
  }
  return { items, next: before };
}

/** Tasks of all sessions that are not over. */
export const openTasksQuery = queryOptions({
  queryKey: keys.openTasks,
  queryFn: ({ signal }) => openTasks(signal),
  select: (page) => page.items,
});

/** Newest page first; each further page is older. Within a page oldest first. */
export const messagesQuery = (session: string) =>
  infiniteQueryOptions({
    queryKey: keys.messages(session),
    initialPageParam: null as string | null,
    queryFn: ({ signal, pageParam }) =>
      take(
        client.GET('/api/v1/sessions/{id}/messages', {
          signal,
          params: {
            path: { id: session },
            query: { limit: MESSAGE_PAGE, ...(pageParam === null ? {} : { before: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (page) => page.next,
  });

export const liveQuery = (session: string) =>
  queryOptions({
    queryKey: keys.live(session),
    queryFn: async ({ signal }) => {
      const asked = useLive.getState().commits;
      const page = await take(
        client.GET('/api/v1/sessions/{id}/live', { signal, params: { path: { id: session } } }),
      );
      return { items: page.items, asked };
    },
    gcTime: 0,
  });

export const plansQuery = (session: string) =>
  queryOptions({
    queryKey: keys.plans(session),
    queryFn: ({ signal }) =>
      take(client.GET('/api/v1/sessions/{id}/plans', { signal, params: { path: { id: session } } })),
    select: (page) => page.items,
  });

export const checkpointsQuery = (session: string) =>
  queryOptions({
    queryKey: keys.checkpoints(session),
    queryFn: ({ signal }) =>
      take(client.GET('/api/v1/sessions/{id}/checkpoints', { signal, params: { path: { id: session } } })),
    select: (page) => page.items,
  });

/** What stands for parts of the conversation that were condensed for its agents. */
export const compactionsQuery = (session: string) =>
  queryOptions({
    queryKey: keys.compactions(session),
    queryFn: ({ signal }) =>
      take(client.GET('/api/v1/sessions/{id}/compactions', { signal, params: { path: { id: session } } })),
    select: (page) => page.items,
  });

export const agentsQuery = queryOptions({
  queryKey: keys.agents,
  queryFn: ({ signal }) => take(client.GET('/api/v1/agents', { signal })),
  select: (page) => page.items,
});

export const reposQuery = queryOptions({
  queryKey: keys.repos,
  queryFn: ({ signal }) => take(client.GET('/api/v1/repos', { signal })),
  select: (page) => page.items,
});

export const locksQuery = queryOptions({
  queryKey: keys.locks,
  queryFn: ({ signal }) => take(client.GET('/api/v1/locks', { signal })),
});

export const noticesQuery = queryOptions({
  queryKey: keys.notices,
  queryFn: ({ signal }) => take(client.GET('/api/v1/notices', { signal, params: { query: { limit: 200 } } })),
  select: (page) => page.items,
});

/** What agents have to be allowed and nobody has decided yet, oldest first. */
export const permissionsQuery = queryOptions({
  queryKey: keys.permissions,
  queryFn: ({ signal }) => take(client.GET('/api/v1/permissions', { signal })),
  select: (page) => page.items,
});

/** How often it is asked whether somebody answered: the bus tells nobody when a receipt changes. */
const ANSWERS_EVERY = 4000;

/** Who was given, saw and acknowledged a notice; asked again while an answer may still come. */
export const receiptsQuery = (notice: number) =>
  queryOptions({
    queryKey: keys.receipts(notice),
    queryFn: ({ signal }) =>
      take(client.GET('/api/v1/notices/{id}/receipts', { signal, params: { path: { id: String(notice) } } })),
    select: (page) => page.items,
    refetchInterval: ({ state }) =>
      state.status === 'error' || state.data?.items.every((one) => one.acked_at !== null || one.dead)
        ? false
        : ANSWERS_EVERY,
    retry: false,
  });

export const registrationsQuery = queryOptions({
  queryKey: keys.registrations,
  queryFn: ({ signal }) => take(client.GET('/api/v1/registrations', { signal })),
  select: (page) => page.items,
});

export const boardsQuery = queryOptions({
  queryKey: keys.boards,
  queryFn: ({ signal }) => take(client.GET('/api/v1/boards', { signal })),
  select: (page) => page.items,
});

export const boardQuery = (id: string) =>
  queryOptions({
    queryKey: keys.board(id),
    queryFn: ({ signal }) => take(client.GET('/api/v1/boards/{id}', { signal, params: { path: { id } } })),
  });
