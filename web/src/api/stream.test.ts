import { describe, expect, it } from 'vitest';
import type { Frame } from './nouns';
import { compareCursors, createStream, QUEUE_MAX, type Socket } from './stream';

/** A daemon at the other end of the wire, a clock that stands still, and animation frames on demand. */
function bench(random = 1, client?: () => string) {
  const sockets: (Socket & { sent: string[] })[] = [];
  const batches: Frame[][] = [];
  const phases: string[] = [];
  const frames: (() => void)[] = [];
  const timers: { run: () => void; ms: number }[] = [];
  let resets = 0;
  const stream = createStream({
    connect() {
      const sent: string[] = [];
      const socket = {
        onclose: null,
        onmessage: null,
        sent,
        send: (text: string) => sent.push(text),
        close: () => undefined,
      };
      sockets.push(socket as never);
      return socket as unknown as Socket;
    },
    onBatch: (batch) => batches.push(batch),
    onReset: () => (resets += 1),
    onPhase: (phase) => phases.push(phase),
    schedule: (flush) => frames.push(flush),
    delay(run, ms) {
      const timer = { run, ms };
      timers.push(timer);
      return () => timers.splice(timers.indexOf(timer), 1);
    },
    random: () => random,
    ...(client ? { client } : {}),
  });
  const socket = () => sockets.at(-1)!;
  return {
    stream,
    batches,
    phases,
    timers,
    sockets,
    resets: () => resets,
    say: (...said: object[]) => {
      for (const frame of said) socket().onmessage?.({ data: JSON.stringify(frame) });
    },
    frame: () => {
      for (const flush of frames.splice(0)) flush();
    },
    hangUp: () => socket().onclose?.(),
    retry: () => timers.shift()?.run(),
    asked: () => socket().sent.map((text) => JSON.parse(text) as { after: string | null }),
  };
}

const hello = (newest = '1.10') => ({ type: 'hello', version: '1', api_revision: 1, newest });
const event = (cursor: string) => ({
  type: 'event',
  cursor,
  ts: '',
  kind: 'task.started',
  session: null,
  actor: 'user',
  payload: {},
});
const resource = (cursor: string) => ({
  type: 'resource',
  action: 'patched',
  noun: 'task',
  id: 't',
  cursor,
  body: {},
});
const delta = (text: string, offset: number, turn = 'a') => ({
  type: 'delta',
  session: 's',
  turn,
  participant: 'p',
  kind: 'text',
  offset,
  text,
});

describe('the stream', () => {
  it('subscribes from where the daemon stood when it said hello', () => {
    const b = bench();
    b.stream.start();
    expect(b.asked()).toEqual([]);
    b.say(hello('1.10'));
    expect(b.asked()).toEqual([{ type: 'subscribe', after: '1.10' }]);
    expect(b.phases).toEqual(['connecting', 'live']);
  });

  it('says each time which client it stands for, and hears who is where', () => {
    let name = 'one';
    const b = bench(1, () => name);
    b.stream.start();
    b.say(hello());
    expect(b.asked()).toEqual([{ type: 'subscribe', after: '1.10', client: 'one' }]);
    name = 'other';
    b.hangUp();
    b.retry();
    b.say(hello('1.11'), { type: 'presence', session: 's', clients: [] });
    expect(b.asked()).toEqual([{ type: 'subscribe', after: '1.10', client: 'other' }]);
    b.frame();
    expect(b.batches.at(-1)?.map((one) => one.type)).toContain('presence');
  });

  it('gives one batch per animation frame, in order', () => {
    const b = bench();
    b.stream.start();
    b.say(hello(), resource('1.11'), event('1.11'), event('1.12'));
    expect(b.batches).toEqual([]);
    b.frame();
    b.frame();
    expect(b.batches.map((batch) => batch.map((one) => one.type))).toEqual([
      ['hello', 'resource', 'event', 'event'],
    ]);
  });

  it('joins the deltas of a turn that come in one frame, never across another frame', () => {
    const b = bench();
    b.stream.start();
    b.say(delta('ab', 0), delta('x', 0, 'b'), delta('cd', 2), event('1.11'), delta('ef', 4));
    b.frame();
    const shown = b.batches
      .flat()
      .map((one) => (one.type === 'delta' ? `${one.turn}:${one.text}` : one.type));
    expect(shown).toEqual(['a:abcd', 'b:x', 'event', 'a:ef']);
  });

  it('does not join what has a gap between', () => {
    const b = bench();
    b.stream.start();
    b.say(delta('ab', 0), delta('ef', 4));
    b.frame();
    expect(b.batches.flat()).toHaveLength(2);
  });

  it('goes on behind the last event after a lost connection, not behind a resource', () => {
    const b = bench();
    b.stream.start();
    b.say(hello('1.10'), resource('1.11'), event('1.11'), resource('1.12'));
    b.hangUp();
    expect(b.phases.at(-1)).toBe('retrying');
    b.retry();
    b.say(hello('1.14'));
    expect(b.asked().at(-1)).toMatchObject({ after: '1.11' });
    b.say(resource('1.12'), event('1.12'));
    b.frame();
    expect(b.batches.flat().filter((one) => one.type === 'event')).toHaveLength(2);
    expect(b.resets()).toBe(0);
  });

  it('takes a position for an event that was passed over', () => {
    const b = bench();
    b.stream.start();
    b.say(hello('1.10'), { type: 'position', cursor: '1.40' });
    expect(b.stream.cursor()).toBe('1.40');
  });

  it('ignores what it has handled already', () => {
    const b = bench();
    b.stream.start();
    b.say(hello('1.10'), event('1.11'), resource('1.11'), event('1.11'), event('1.10'));
    b.frame();
    expect(b.batches.flat().filter((one) => one.type !== 'hello')).toHaveLength(1);
  });

  it('starts over when the daemon cannot go on from the cursor', () => {
    const b = bench();
    b.stream.start();
    b.say(hello('1.10'), event('1.11'), { type: 'reset', newest: '2.3' });
    b.frame();
    expect(b.resets()).toBe(1);
    expect(b.batches.flat()).toEqual([]);
    b.hangUp();
    b.retry();
    b.say(hello('2.3'));
    expect(b.asked().at(-1)).toMatchObject({ after: '2.3' });
  });

  it('asks for a fresh look instead of holding a queue without end', () => {
    const b = bench();
    b.stream.start();
    b.say(hello('1.0'));
    for (let seq = 1; seq <= QUEUE_MAX + 1; seq += 1) b.say(event(`1.${seq}`));
    expect(b.resets()).toBe(1);
    b.frame();
    expect(b.batches.flat().length).toBeLessThan(QUEUE_MAX);
  });

  it('waits longer after each failure, up to a limit, and starts small after a success', () => {
    const b = bench();
    b.stream.start();
    const waits: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      b.hangUp();
      waits.push(b.timers[0]!.ms);
      b.retry();
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
    b.say(hello());
    b.hangUp();
    expect(b.timers[0]!.ms).toBe(250);
  });

  it('connects at once when asked to, and only once', () => {
    const b = bench();
    b.stream.start();
    b.hangUp();
    b.stream.retryNow();
    b.stream.retryNow();
    expect(b.sockets).toHaveLength(2);
    expect(b.timers).toEqual([]);
  });

  it('is silent after it was stopped', () => {
    const b = bench();
    b.stream.start();
    b.stream.stop();
    b.hangUp();
    expect(b.timers).toEqual([]);
    expect(b.phases).toEqual(['connecting']);
  });

  it('survives what is not a frame', () => {
    const b = bench();
    b.stream.start();
    b.sockets[0]!.onmessage?.({ data: '{' });
    b.sockets[0]!.onmessage?.({ data: new ArrayBuffer(2) });
    b.say({ type: 'tomorrow' });
    b.frame();
    expect(b.batches).toEqual([]);
  });
});

it('orders cursors by epoch, then by number', () => {
  const sorted = ['2.1', '1.9', '1.10', '10.0'].toSorted(compareCursors);
  expect(sorted).toEqual(['1.9', '1.10', '2.1', '10.0']);
});
