/** What the page can ask the daemon to do. Each refusal is said aloud; nothing fails silently. */
import { useMutation, useQueryClient, type QueryKey } from '@tanstack/react-query';
import { ApiError, client, once, take } from './client';
import type { Permission, PermissionScope } from './nouns';
import { inClient } from './presence';
import { keys } from './queries';
import { say } from '@/components/toast';

/** The daemon speaks in fragments, as a terminal likes them; a page reads sentences. */
function sentence(fragment: string | null): string {
  if (!fragment) return '';
  const begun = fragment.charAt(0).toUpperCase() + fragment.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** One sentence for a person, with the next step when the daemon knows one. */
export function explain(fault: unknown): string {
  if (fault instanceof ApiError) return [fault.message, fault.hint].filter(Boolean).map(sentence).join(' ');
  return fault instanceof Error ? fault.message : 'Something went wrong.';
}

export function useOrder<V, R>(run: (wish: V) => Promise<R>, stale: (wish: V) => QueryKey[], quiet = false) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: run,
    onError: (fault) => {
      if (!quiet) say(explain(fault), 'problem');
    },
    onSettled: (_data, _fault, wish) => {
      for (const queryKey of stale(wish)) void cache.invalidateQueries({ queryKey });
    },
  });
}

const taskKeys = (session: string): QueryKey[] => [
  keys.tasks(session),
  keys.openTasks,
  keys.sessions,
  keys.session(session),
];

export interface PromptWish {
  session: string;
  text: string;
  targets: string[];
  /** Of a plan: each agent works in a worktree of its own. */
  worktrees?: boolean;
  /** The session was just made: nobody else is at it. */
  alone?: boolean;
}

/** An order in the name of this page, which the daemon refuses while somebody else has the input. */
function typedBy<R>(wish: PromptWish, order: (client: string | null) => Promise<R>): Promise<R> {
  return wish.alone ? order(null) : inClient(wish.session, order);
}

/** The caller shows the refusal itself and gives the text back, so this one is quiet. */
export const usePrompt = () =>
  useOrder(
    (wish: PromptWish) =>
      typedBy(wish, (by) =>
        take(
          client.POST('/api/v1/sessions/{id}/messages', {
            params: { path: { id: wish.session }, ...once() },
            body: { text: wish.text, targets: wish.targets, client: by },
          }),
        ),
      ),
    ({ session }) => taskKeys(session),
    true,
  );

export const useCoordinate = () =>
  useOrder(
    (wish: PromptWish) =>
      typedBy(wish, (by) =>
        take(
          client.POST('/api/v1/sessions/{id}/plans', {
            params: { path: { id: wish.session }, ...once() },
            body: {
              prompt: wish.text,
              agents: wish.targets,
              worktrees: wish.worktrees === true,
              client: by,
            },
          }),
        ),
      ),
    ({ session }) => [keys.plans(session), ...taskKeys(session)],
    true,
  );

export const useCreateSession = () =>
  useOrder(
    (wish: { title: string; repo?: string; agents: string[] }) =>
      take(client.POST('/api/v1/sessions', { params: once(), body: wish })),
    () => [keys.sessions],
    true,
  );

export const useRenameSession = () =>
  useOrder(
    ({ session, title }: { session: string; title: string }) =>
      take(
        client.PATCH('/api/v1/sessions/{id}', {
          params: { path: { id: session }, ...once() },
          body: { title },
        }),
      ),
    () => [keys.sessions, ['session']],
  );

export const useArchiveSession = () =>
  useOrder(
    (session: string) =>
      take(client.POST('/api/v1/sessions/{id}/archive', { params: { path: { id: session }, ...once() } })),
    () => [keys.sessions, ['session']],
  );

export const useAnswer = () =>
  useOrder(
    ({ task, session, answer }: { task: string; session: string; answer: string }) =>
      inClient(session, (by) =>
        take(
          client.POST('/api/v1/tasks/{id}/answer', {
            params: { path: { id: task }, ...once() },
            body: { answer, client: by },
          }),
        ),
      ),
    ({ session }) => taskKeys(session),
  );

/** A decision is about what was shown: the hash goes back with it. */
export const useDecide = () =>
  useOrder(
    ({
      permission,
      allow,
      scope,
      reason,
    }: {
      permission: Permission;
      allow: boolean;
      scope: PermissionScope;
      reason: string;
    }) =>
      take(
        client.POST('/api/v1/permissions/{id}/decide', {
          params: { path: { id: permission.id }, ...once() },
          body: { allow, scope, reason, arguments_hash: permission.arguments_hash },
        }),
      ),
    ({ permission }) => [keys.permissions, keys.sessions, keys.session(permission.session)],
  );

export const useCancelTask = () =>
  useOrder(
    ({ task }: { task: string; session: string }) =>
      take(client.POST('/api/v1/tasks/{id}/cancel', { params: { path: { id: task }, ...once() } })),
    ({ session }) => taskKeys(session),
  );

export const useCancelPlan = () =>
  useOrder(
    ({ plan }: { plan: string; session: string }) =>
      take(client.POST('/api/v1/plans/{id}/cancel', { params: { path: { id: plan }, ...once() } })),
    ({ session }) => [keys.plans(session), ...taskKeys(session)],
  );

export const useBreakLock = () =>
  useOrder(
    (token: number) =>
      take(
        client.DELETE('/api/v1/locks/{token}', {
          params: { path: { token: String(token) }, query: { break: true }, ...once() },
        }),
      ),
    () => [keys.locks, keys.notices],
  );

export interface RestoreWish {
  checkpoint: string;
  session: string;
}

/** Brings all files of a checkpoint back; what stays as it is, is said. */
export const useRestoreCheckpoint = () =>
  useOrder(
    async ({ checkpoint }: RestoreWish) => {
      const restored = await take(
        client.POST('/api/v1/checkpoints/{id}/restore', {
          params: { path: { id: checkpoint }, ...once() },
          body: {},
        }),
      );
      const count = restored.files.length + restored.more;
      const kept = restored.kept.length;
      if (kept > 0) say(`${count} files are back; ${kept} stayed as they are.`, 'problem');
      else say(restored.before ? `${count} files are back.` : 'The files are as they were then.');
      return restored;
    },
    ({ session }) => [keys.checkpoints(session)],
  );
