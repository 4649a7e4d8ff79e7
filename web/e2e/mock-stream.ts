/** The stream of the mock daemon: events in order, the resources they change before them, like the real one. */
import type { Frame, ResourceFrame } from '../src/api/nouns';

type Body = Record<string, unknown>;
type Change = [action: ResourceFrame['action'], noun: ResourceFrame['noun'], id: unknown, body: unknown];

const ended: Record<string, string> = {
  'task.completed': 'completed',
  'task.failed': 'failed',
  'task.canceled': 'canceled',
};

/** What an event means for resources; the same table as the daemon's, for the kinds played here. */
function changesOf(kind: string, payload: Body, ts: string): Change[] {
  const session = (body: Body = {}): Change => [
    'patched',
    'session',
    payload.session,
    { ...body, updated_at: ts },
  ];
  const task = (body: Body): Change[] => [
    ['patched', 'task', payload.task, { ...body, session: payload.session, updated_at: ts }],
    session(),
  ];
  switch (kind) {
    case 'session.created':
      return [['created', 'session', payload.id, payload]];
    case 'session.renamed':
      return [session({ title: payload.title })];
    case 'session.archived':
      return [session({ archived: true })];
    case 'participant.status_changed':
      return [
        [
          'patched',
          'participant',
          payload.participant,
          { session: payload.session, status: payload.status, detail: payload.detail, since: ts },
        ],
      ];
    case 'task.submitted':
      return [['created', 'task', payload.id, payload], session()];
    case 'task.started':
      return task({ state: 'working' });
    case 'task.input_requested':
      return task({ state: 'input_required', question: payload });
    case 'task.input_answered':
      return task({ state: 'working', question: null });
    case 'task.completed':
    case 'task.failed':
    case 'task.canceled':
      return task({ state: ended[kind], text: payload.text, question: null });
    case 'turn.started':
      return [['created', 'turn', payload.id, payload]];
    case 'turn.ended':
      return [
        [
          'patched',
          'turn',
          payload.turn,
          { session: payload.session, outcome: { state: 'completed' }, ended_at: ts },
        ],
      ];
    case 'message.appended':
      return [
        ['removed', 'draft', payload.turn, null],
        ['created', 'message', payload.id, payload],
      ];
    case 'permission.requested':
      return [['created', 'permission', payload.id, payload], session()];
    case 'permission.decided':
      return [
        [
          'patched',
          'permission',
          payload.permission,
          { session: payload.session, decision: { allowed: payload.allowed, by: payload.by } },
        ],
        session(),
      ];
    case 'plan.created':
      return [['created', 'plan', payload.id, payload]];
    case 'plan.failed':
      return [['patched', 'plan', payload.plan, { ...payload, state: 'failed' }]];
    case 'lock.changed':
      return payload.phase === 'broken' ? [['removed', 'lock', payload.token, null]] : [];
    case 'board.created':
    case 'card.placed':
    case 'card.moved':
    case 'card.removed':
    case 'trigger.ended':
    case 'zone.placed':
    case 'zone.removed':
    case 'comment.added':
    case 'comment.resolved':
      // The page asks for the board again, whatever it was.
      return [['patched', payload.noun as ResourceFrame['noun'], payload.id, {}]];
    default:
      return [];
  }
}

export class MockStream {
  private readonly history: Frame[] = [];
  private seq = 40;
  /** Where frames go; nowhere until somebody listens. */
  send: (frame: Frame) => void = () => undefined;

  get newest(): string {
    return `1.${this.seq}`;
  }

  emit(
    kind: string,
    session: string | null,
    actor: string,
    payload: unknown,
    ts = new Date().toISOString(),
  ): void {
    this.seq += 1;
    const cursor = this.newest;
    const changes = changesOf(kind, payload as Body, ts).map(
      ([action, noun, id, body]) =>
        ({ type: 'resource', action, noun, id: String(id), cursor, body }) as Frame,
    );
    const event = { type: 'event', cursor, ts, kind, session, actor, payload } as Frame;
    for (const frame of [...changes, event]) {
      // A copy: what was said stays said when the world goes on.
      const said = JSON.parse(JSON.stringify(frame)) as Frame;
      this.history.push(said);
      this.send(said);
    }
  }

  since(after: string | null): Frame[] {
    if (after === null) return [];
    const from = Number(after.split('.')[1]);
    return this.history.filter((frame) => 'cursor' in frame && Number(frame.cursor.split('.')[1]) > from);
  }

  events(after: string | null): object {
    const items = this.since(after).flatMap((frame) => (frame.type === 'event' ? [frame] : []));
    return { items, next: this.newest, reset: false };
  }
}
