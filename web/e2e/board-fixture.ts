/** A board with two sessions, a note, a zone that prompts, one that asks first, and a talk. */
import type { Card, Place, Session, WholeBoard, Zone } from '../src/api/nouns';
import { id } from './builder';

const AT = '2026-01-31T14:23:01.000Z';
const board = id('brd', 1);

function card(number: number, session: Session | null, place: Place, note = ''): Card {
  return {
    id: id('crd', number),
    short_id: `card00000${number}`,
    board,
    subject: session ? { kind: 'session', session: session.id } : { kind: 'note' },
    title: session?.title ?? note,
    place,
    zone: null,
    note,
    revision: 1,
    firing: null,
    conflicts: [],
    created_at: AT,
  };
}

function zone(number: number, name: string, x: number, confirm: boolean, template: string): Zone {
  return {
    id: id('zon', number),
    short_id: `zone00000${number}`,
    board,
    name,
    colour: confirm ? 'yellow' : 'blue',
    place: { x, y: 0, width: 320, height: 480 },
    trigger: { action: 'prompt', template, agents: [], confirm },
    revision: 1,
    created_at: AT,
  };
}

export function makeBoard(first: Session, second: Session): WholeBoard {
  const on = card(1, first, { x: 0, y: 0, width: 260, height: 160 });
  return {
    id: board,
    short_id: 'board00001',
    slug: 'release',
    name: 'Release',
    created_at: AT,
    cards: [
      on,
      card(2, second, { x: 0, y: 200, width: 260, height: 160 }),
      card(3, null, { x: 0, y: 400, width: 240, height: 100 }, 'Ask **Ann** about the rounding'),
    ],
    zones: [
      zone(1, 'Review', 400, false, 'Review {{session.title}}'),
      zone(2, 'Ship', 800, true, 'Ship {{session.title}}'),
    ],
    comments: [
      {
        id: id('cmt', 1),
        short_id: 'comment001',
        board,
        card: on.id,
        reply_to: null,
        author: 'user',
        text: 'Who tests this?',
        resolved: false,
        created_at: AT,
      },
    ],
  };
}
