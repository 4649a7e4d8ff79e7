/** Boards of the mock daemon: a drop in a zone with a trigger prompts, or waits, as the real one does it. */
import type { Card, Comment, Place, WholeBoard, Zone } from '../src/api/nouns';
import { zoneAround } from '../src/features/board/geometry';
import { id, type World } from './builder';
import type { Play } from './mock-play';
import type { Answer } from './mock-routes';
import type { MockStream } from './mock-stream';

type Body = Record<string, unknown>;

const ok = (body: unknown): Answer => ({ status: 200, body });
const conflict = (code: string, message: string): Answer => ({
  status: 409,
  body: { error: { code, message, hint: 'look at the card again' } },
});

export class Boards {
  private next = 8000;
  private readonly world: World;
  private readonly play: Play;
  private readonly stream: MockStream;

  constructor(world: World, play: Play, stream: MockStream) {
    this.world = world;
    this.play = play;
    this.stream = stream;
  }

  list(): Answer {
    const items = this.world.boards.map(({ cards, zones, comments, ...board }) => ({
      ...board,
      cards: cards.length,
      zones: zones.length,
      open_threads: comments.filter((one) => one.reply_to === null && !one.resolved).length,
    }));
    return ok({ items, next: null });
  }

  get(name: string): WholeBoard | undefined {
    const board = this.world.boards.find((one) => [one.id, one.slug, one.short_id].includes(name));
    for (const card of board?.cards ?? []) card.zone = zoneAround(board?.zones ?? [], card.place)?.id ?? null;
    return board;
  }

  create(name: string): Answer {
    const made = this.fresh('brd');
    const slug = name.toLowerCase().replaceAll(' ', '-');
    const board = { ...made, slug, name, cards: [], zones: [], comments: [] };
    this.world.boards.push(board);
    this.told('board.created', 'board', board.id);
    return ok(board);
  }

  place(board: WholeBoard, body: Body): Answer {
    const session = this.world.sessions.find((one) => one.id === body.session);
    const below = Math.max(0, ...board.cards.map((one) => one.place.y + one.place.height));
    const card: Card = {
      ...this.fresh('crd'),
      board: board.id,
      subject: session ? { kind: 'session', session: session.id } : { kind: 'note' },
      title: session?.title ?? String(body.note ?? ''),
      place: (body.place as Place | undefined) ?? { x: 0, y: below + 24, width: 260, height: 140 },
      zone: null,
      note: String(body.note ?? ''),
      revision: 1,
      firing: null,
      conflicts: [],
    };
    board.cards.push(card);
    this.told('card.placed', 'card', card.id);
    return ok(card);
  }

  change(name: string, body: Body): Answer | null {
    const { board, card } = this.card(name);
    if (!board || !card) return null;
    if (body.revision !== undefined && body.revision !== card.revision)
      return conflict('card_changed', `the card is at revision ${card.revision}`);
    const before = zoneAround(board.zones, card.place);
    const number = (side: keyof Place) => Number(body[side] ?? card.place[side]);
    card.place = { x: number('x'), y: number('y'), width: number('width'), height: number('height') };
    if (typeof body.note === 'string') card.note = body.note;
    card.revision += 1;
    const into = zoneAround(board.zones, card.place);
    card.zone = into?.id ?? null;
    if (into?.trigger && into.id !== before?.id) this.fire(card, into);
    this.told('card.moved', 'card', card.id);
    return ok(card);
  }

  answer(name: string, confirm: boolean): Answer | null {
    const { card } = this.card(name);
    if (card?.firing?.state !== 'asked') return null;
    if (confirm) this.carryOut(card);
    else card.firing.state = 'dismissed';
    this.told('trigger.ended', 'firing', card.firing.id);
    return ok(card);
  }

  zone(board: WholeBoard, body: Body): Answer {
    const zone = {
      ...this.fresh('zon'),
      board: board.id,
      colour: 'grey',
      trigger: null,
      revision: 1,
      ...body,
    } as Zone;
    board.zones.push(zone);
    this.told('zone.placed', 'zone', zone.id);
    return ok(zone);
  }

  changeZone(name: string, body: Body): Answer | null {
    const zone = this.world.boards.flatMap((one) => one.zones).find((one) => one.id === name);
    if (!zone) return null;
    Object.assign(zone, { ...body, revision: zone.revision + 1 });
    this.told('zone.placed', 'zone', zone.id);
    return ok(zone);
  }

  remove(noun: 'card' | 'zone', name: string): Answer {
    for (const board of this.world.boards) {
      board.cards = board.cards.filter((one) => noun !== 'card' || one.id !== name);
      board.zones = board.zones.filter((one) => noun !== 'zone' || one.id !== name);
    }
    this.told(`${noun}.removed`, noun, name);
    return { status: 204 };
  }

  comment(board: WholeBoard, body: Body): Answer {
    const first = board.comments.find((one) => one.id === body.reply_to);
    const comment: Comment = {
      ...this.fresh('cmt'),
      board: board.id,
      card: first?.card ?? (body.card as string | null | undefined) ?? null,
      reply_to: first?.id ?? null,
      author: 'user',
      text: String(body.text),
      resolved: false,
    };
    board.comments.push(comment);
    this.told('comment.added', 'comment', comment.id);
    return ok(comment);
  }

  resolve(name: string, resolved: boolean): Answer | null {
    const comment = this.world.boards.flatMap((one) => one.comments).find((one) => one.id === name);
    if (!comment) return null;
    comment.resolved = resolved;
    this.told('comment.resolved', 'comment', name);
    return ok(comment);
  }

  private fire(card: Card, zone: Zone): void {
    const { trigger } = zone;
    if (!trigger) return;
    const prompt = trigger.template
      .replaceAll('{{session.title}}', card.title ?? '')
      .replaceAll('{{zone.name}}', zone.name);
    card.firing = {
      id: this.fresh('fir').id,
      card: card.id,
      zone: zone.id,
      action: trigger.action,
      state: trigger.confirm ? 'asked' : 'due',
      prompt,
      session: null,
      task: null,
      text: null,
      fired_at: new Date().toISOString(),
    };
    if (!trigger.confirm) this.carryOut(card);
  }

  private carryOut(card: Card): void {
    const { subject, firing } = card;
    const session = this.world.sessions.find(
      (one) => subject.kind === 'session' && one.id === subject.session,
    );
    if (!firing) return;
    if (!session) {
      firing.state = 'refused';
      firing.text = 'the card has no session (card_without_session)';
      return;
    }
    this.play.prompt(session, firing.prompt, []);
    firing.state = 'done';
    firing.session = session.id;
  }

  private card(name: string): { board?: WholeBoard; card?: Card } {
    for (const board of this.world.boards) {
      const card = board.cards.find((one) => one.id === name);
      if (card) return { board, card };
    }
    return {};
  }

  private fresh(prefix: string) {
    this.next += 1;
    const made = id(prefix, this.next);
    return { id: made, short_id: `bd${this.next}`, created_at: new Date().toISOString() };
  }

  private told(kind: string, noun: string, of: string): void {
    this.stream.emit(kind, null, 'user', { noun, id: of });
  }
}
