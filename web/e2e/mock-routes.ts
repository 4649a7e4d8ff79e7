/** The routes of the mock daemon, one line each. */
import type { Message, Session, Task, WholeBoard } from '../src/api/nouns';
import type { World } from './builder';
import { Boards } from './mock-board';
import type { Play } from './mock-play';
import { Rooms } from './mock-presence';
import type { MockStream } from './mock-stream';

export interface Answer {
  status: number;
  body?: unknown;
}

type Handler = (params: string[], url: URL, body: Record<string, unknown>) => Answer | null;

const ok = (body: unknown): Answer => ({ status: 200, body });
const page = (items: unknown[], next: string | null = null): Answer => ok({ items, next });

function messagePage(world: World, session: Session, url: URL): Answer {
  const limit = Math.min(200, Number(url.searchParams.get('limit') ?? 200));
  const before = url.searchParams.get('before');
  const all = world.messages
    .filter((one: Message) => one.session === session.id)
    .toSorted((a, b) => a.created_at.localeCompare(b.created_at));
  const end = before === null ? all.length : all.findIndex((one) => one.id === before);
  const start = Math.max(0, end - limit);
  return page(all.slice(start, end), start > 0 ? (all[start]?.id ?? null) : null);
}

export function routes(world: World, play: Play, stream: MockStream) {
  const session = (id: string) => world.sessions.find((one) => one.id === id || one.short_id.startsWith(id));
  const task = (id: string) => world.tasks.find((one) => one.id === id || one.short_id.startsWith(id));
  const boards = new Boards(world, play, stream);
  const rooms = new Rooms((frame) => stream.send(frame));
  const onBoard = (name: string, deed: (board: WholeBoard) => Answer): Answer | null => {
    const board = boards.get(name);
    return board ? deed(board) : null;
  };
  const ofSession = (id: string, list: (found: Session) => unknown[]): Answer | null => {
    const found = session(id);
    return found ? page(list(found)) : null;
  };

  const table: [method: string, pattern: RegExp, handler: Handler][] = [
    ['GET', /^\/status$/, () => ok(play.status())],
    ['GET', /^\/sessions$/, () => page(world.sessions.filter((one) => !one.archived))],
    ['POST', /^\/sessions$/, (_, __, body) => ok(play.createSession(body as never))],
    [
      'GET',
      /^\/sessions\/([^/]+)$/,
      ([id = '']) => {
        const found = session(id);
        return found
          ? ok(found)
          : {
              status: 404,
              body: {
                error: {
                  code: 'not_found',
                  message: `no session \`${id}\``,
                  hint: 'see `coditect session list`',
                },
              },
            };
      },
    ],
    [
      'PATCH',
      /^\/sessions\/([^/]+)$/,
      ([id = ''], _, body) => {
        const found = session(id);
        return found ? ok(play.changeSession(found, { title: String(body.title) })) : null;
      },
    ],
    [
      'DELETE',
      /^\/sessions\/([^/]+)$/,
      ([id = '']) => {
        const found = session(id);
        return found ? ok(play.changeSession(found, { archived: true })) : null;
      },
    ],
    [
      'GET',
      /^\/sessions\/([^/]+)\/tasks$/,
      ([id = '']) => ofSession(id, (one) => world.tasks.filter((each) => each.session === one.id)),
    ],
    [
      'GET',
      /^\/sessions\/([^/]+)\/messages$/,
      ([id = ''], url) => {
        const found = session(id);
        return found ? messagePage(world, found, url) : null;
      },
    ],
    [
      'POST',
      /^\/sessions\/([^/]+)\/messages$/,
      ([id = ''], _, body) => {
        const found = session(id);
        if (!found) return null;
        if (String(body.text).includes('[[refuse]]')) {
          return {
            status: 429,
            body: {
              error: {
                code: 'queue_full',
                message: 'this session has 64 tasks waiting',
                hint: 'wait for some to finish',
              },
            },
          };
        }
        return ok(play.prompt(found, String(body.text), body.targets as string[]));
      },
    ],
    ['GET', /^\/sessions\/([^/]+)\/live$/, ([id = '']) => ofSession(id, (one) => play.live(one.id))],
    ['GET', /^\/sessions\/([^/]+)\/compactions$/, ([id = '']) => ofSession(id, () => [])],
    [
      'GET',
      /^\/sessions\/([^/]+)\/checkpoints$/,
      ([id = '']) => ofSession(id, (one) => world.checkpoints.filter((each) => each.session === one.id)),
    ],
    [
      'POST',
      /^\/checkpoints\/([^/]+)\/restore$/,
      ([id = '']) => {
        const found = world.checkpoints.find((one) => one.id === id);
        const file = { change: 'modified', added: 1, removed: 2 };
        return found
          ? ok({
              checkpoint: found.id,
              before: 'chk_before',
              worktree: found.point?.worktree ?? null,
              files: found.paths.map((path) => ({ ...file, path })),
              more: 0,
              kept: [],
              fork: null,
            })
          : null;
      },
    ],
    [
      'GET',
      /^\/sessions\/([^/]+)\/plans$/,
      ([id = '']) => ofSession(id, (one) => world.plans.filter((each) => each.session === one.id)),
    ],
    [
      'POST',
      /^\/sessions\/([^/]+)\/plans$/,
      ([id = ''], _, body) => {
        const found = session(id);
        if (!found) return null;
        const apart = body.worktrees === true;
        return ok(play.coordinate(found, String(body.prompt), body.agents as string[], apart));
      },
    ],
    [
      'POST',
      /^\/plans\/([^/]+)\/cancel$/,
      ([plan = '']) => {
        const found = world.plans.find((one) => one.id === plan);
        if (!found) return null;
        const text = 'canceled by the user';
        stream.emit('plan.failed', found.session, 'user', { plan, session: found.session, text });
        return ok(Object.assign(found, { state: 'failed', text }));
      },
    ],
    [
      'POST',
      /^\/sessions\/([^/]+)\/attach$/,
      ([id = ''], _, body) => (session(id) ? rooms.attach(id, body as never) : null),
    ],
    ['POST', /^\/sessions\/([^/]+)\/detach$/, ([id = ''], _, body) => rooms.detach(id, String(body.client))],
    ['GET', /^\/sessions\/([^/]+)\/clients$/, ([id = '']) => rooms.list(id)],
    [
      'GET',
      /^\/tasks$/,
      () =>
        page(
          world.tasks.filter((one: Task) => ['submitted', 'working', 'input_required'].includes(one.state)),
        ),
    ],
    [
      'GET',
      /^\/tasks\/([^/]+)$/,
      ([id = '']) => {
        const found = task(id);
        return found ? ok(found) : null;
      },
    ],
    [
      'POST',
      /^\/tasks\/([^/]+)\/cancel$/,
      ([id = '']) => {
        const found = task(id);
        return found ? ok(play.cancel(found)) : null;
      },
    ],
    [
      'POST',
      /^\/tasks\/([^/]+)\/answer$/,
      ([id = ''], _, body) => {
        const found = task(id);
        return found ? ok(play.answer(found, String(body.answer))) : null;
      },
    ],
    ['GET', /^\/permissions$/, () => page(world.permissions)],
    [
      'POST',
      /^\/permissions\/([^/]+)\/decide$/,
      ([id = ''], _, body) => play.decide(id, body.allow === true, String(body.arguments_hash)),
    ],
    ['GET', /^\/agents$/, () => page(world.agents)],
    ['GET', /^\/locks$/, () => ok({ items: world.locks, waits: world.waits })],
    ['DELETE', /^\/locks\/(\d+)$/, ([token]) => ok(play.breakLock(Number(token)))],
    ['GET', /^\/notices$/, () => page(world.notices)],
    [
      'GET',
      /^\/notices\/(\d+)\/receipts$/,
      () =>
        page([
          { registration: 'reg_a', delivered: true, seen_at: null, acked_at: null, attempts: 1, dead: false },
          {
            registration: 'reg_b',
            delivered: true,
            seen_at: new Date().toISOString(),
            acked_at: new Date().toISOString(),
            attempts: 1,
            dead: false,
          },
        ]),
    ],
    ['GET', /^\/registrations$/, () => page(world.registrations)],
    ['GET', /^\/events$/, (_, url) => ok(stream.events(url.searchParams.get('after')))],
    ['GET', /^\/repos$/, () => page(world.repos)],
    ['GET', /^\/boards$/, () => boards.list()],
    ['POST', /^\/boards$/, (_, __, body) => boards.create(String(body.name))],
    ['GET', /^\/boards\/([^/]+)$/, ([name = '']) => onBoard(name, (board) => ok(board))],
    [
      'POST',
      /^\/boards\/([^/]+)\/cards$/,
      ([name = ''], _, body) => onBoard(name, (board) => boards.place(board, body)),
    ],
    [
      'POST',
      /^\/boards\/([^/]+)\/zones$/,
      ([name = ''], _, body) => onBoard(name, (board) => boards.zone(board, body)),
    ],
    [
      'POST',
      /^\/boards\/([^/]+)\/comments$/,
      ([name = ''], _, body) => onBoard(name, (board) => boards.comment(board, body)),
    ],
    ['PATCH', /^\/cards\/([^/]+)$/, ([name = ''], _, body) => boards.change(name, body)],
    ['DELETE', /^\/cards\/([^/]+)$/, ([name = '']) => boards.remove('card', name)],
    [
      'POST',
      /^\/cards\/([^/]+)\/answer$/,
      ([name = ''], _, body) => boards.answer(name, body.confirm === true),
    ],
    ['PATCH', /^\/zones\/([^/]+)$/, ([name = ''], _, body) => boards.changeZone(name, body)],
    ['DELETE', /^\/zones\/([^/]+)$/, ([name = '']) => boards.remove('zone', name)],
    [
      'PATCH',
      /^\/comments\/([^/]+)$/,
      ([name = ''], _, body) => boards.resolve(name, body.resolved === true),
    ],
  ];

  return (method: string, url: URL, body: unknown): Answer | null => {
    const path = url.pathname.replace(/^\/api\/v1/, '');
    for (const [verb, pattern, handler] of table) {
      const match = verb === method ? pattern.exec(path) : null;
      if (match) return handler(match.slice(1), url, (body ?? {}) as Record<string, unknown>);
    }
    return null;
  };
}
