/** The routes. The first screen comes with the shell, the others when they are first opened. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  type ErrorComponentProps,
} from '@tanstack/react-router';
import { Button } from '@/components/button';
import { Mission } from '@/features/mission/mission';
import type { SessionTab } from './deeds';
import { Shell } from './shell';

function NotFound() {
  return (
    <main id="centre" tabIndex={-1} className="flex flex-1 flex-col items-start gap-2 p-6">
      <h1 className="text-lg font-semibold">There is no such page</h1>
      <p className="text-muted">The address may be old, or a session was archived.</p>
      <Link to="/" className="text-accent underline underline-offset-2">
        Mission control
      </Link>
    </main>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <main id="centre" tabIndex={-1} className="flex flex-1 flex-col p-6">
      <div role="alert" className="flex flex-col items-start gap-3">
        <h1 className="text-lg font-semibold">This screen broke</h1>
        <p className="text-muted">
          The daemon and the agents are not affected. {error instanceof Error ? error.message : null}
        </p>
        <Button onClick={reset}>Draw it again</Button>
      </div>
    </main>
  );
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const mission = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: Mission,
});

const session = createRoute({
  getParentRoute: () => root,
  path: '/s/$id',
  validateSearch: (search: Record<string, unknown>): { tab?: SessionTab } =>
    search.tab === 'plan' || search.tab === 'changes' ? { tab: search.tab } : {},
  component: lazyRouteComponent(() => import('@/features/session/session'), 'SessionScreen'),
});

const coordination = createRoute({
  getParentRoute: () => root,
  path: '/coord',
  component: lazyRouteComponent(() => import('@/features/lock/coordination'), 'Coordination'),
});

const board = createRoute({
  getParentRoute: () => root,
  path: '/board',
  validateSearch: (search: Record<string, unknown>): { b?: string } =>
    typeof search.b === 'string' ? { b: search.b } : {},
  component: lazyRouteComponent(() => import('@/features/board/board'), 'BoardScreen'),
});

export const router = createRouter({
  routeTree: root.addChildren([mission, session, coordination, board]),
  defaultPreload: 'intent',
  defaultErrorComponent: Broken,
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
