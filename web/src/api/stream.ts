/**
 * The one WebSocket: events by cursor, deltas by offset.
 *
 * Invariants: frames reach `onBatch` in the order they came, at most one batch per animation frame;
 * after a lost connection the subscription goes on behind the last event that was handled,
 * or `onReset` says that a fresh look is due. Nothing is ever dropped silently.
 */
import { utf8Length } from './live';
import type { DeltaFrame, Frame } from './nouns';

/** Frames that may wait for the next animation frame; beyond that a fresh look is cheaper. */
export const QUEUE_MAX = 5000;
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
/** Hidden pages get no animation frames; they are served by a timer instead. */
const HIDDEN_FLUSH_MS = 1000;

/** The part of WebSocket that is used here. */
export interface Socket {
  onclose: (() => void) | null;
  onmessage: ((message: { data: unknown }) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface StreamOptions {
  connect(): Socket;
  /** The client this page is; it stays attached wherever it is for as long as it is connected. */
  client?(): string;
  onBatch(frames: Frame[]): void;
  /** What is on the page may be stale: look again. */
  onReset(): void;
  onPhase(phase: 'connecting' | 'live' | 'retrying'): void;
  /** Runs `flush` at the next animation frame. */
  schedule?(flush: () => void): void;
  delay?(run: () => void, ms: number): () => void;
  random?(): number;
}

export interface Stream {
  start(): void;
  stop(): void;
  /** Connects at once instead of waiting for the back-off. */
  retryNow(): void;
  /** Where the subscription would go on. */
  cursor(): string | null;
}

/** Orders cursors, written `epoch.seq`. */
export function compareCursors(left: string, right: string): number {
  const [leftEpoch = 0, leftSeq = 0] = left.split('.').map(Number);
  const [rightEpoch = 0, rightSeq = 0] = right.split('.').map(Number);
  return leftEpoch - rightEpoch || leftSeq - rightSeq;
}

function nextFrame(flush: () => void): void {
  if (document.hidden) setTimeout(flush, HIDDEN_FLUSH_MS);
  else requestAnimationFrame(flush);
}

function after(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

export function createStream(options: StreamOptions): Stream {
  const { schedule = nextFrame, delay = after, random = Math.random } = options;

  let socket: Socket | null = null;
  let stopped = true;
  let attempts = 0;
  let cancelRetry: (() => void) | null = null;

  // Resources come before their event and carry its cursor: only the event, or a position, says that all of
  // a cursor has come.
  let handled: string | null = null;

  let queue: Frame[] = [];
  let flushing = false;
  let openDeltas = new Map<string, DeltaFrame>();

  function flush(): void {
    flushing = false;
    if (queue.length === 0) return;
    const batch = queue;
    queue = [];
    openDeltas = new Map();
    options.onBatch(batch);
  }

  function enqueue(frame: Frame): void {
    if (frame.type === 'delta') {
      const key = `${frame.turn}/${frame.kind}`;
      const growing = openDeltas.get(key);
      if (growing && growing.offset + utf8Length(growing.text) === frame.offset) {
        growing.text += frame.text;
        return;
      }
      const own = { ...frame };
      openDeltas.set(key, own);
      queue.push(own);
    } else {
      // A delta after an event must not move in front of it.
      openDeltas = new Map();
      queue.push(frame);
    }
    if (queue.length > QUEUE_MAX) {
      queue = [];
      openDeltas = new Map();
      options.onReset();
      return;
    }
    if (!flushing) {
      flushing = true;
      schedule(flush);
    }
  }

  function receive(data: unknown): void {
    if (typeof data !== 'string') return;
    let frame: Frame;
    try {
      frame = JSON.parse(data) as Frame;
    } catch {
      return;
    }
    switch (frame.type) {
      case 'hello':
        attempts = 0;
        // The first time, what is read after this is at least as new as `newest`.
        handled ??= frame.newest;
        socket?.send(JSON.stringify({ type: 'subscribe', after: handled, client: options.client?.() }));
        options.onPhase('live');
        enqueue(frame);
        break;
      case 'reset':
        handled = frame.newest;
        queue = [];
        openDeltas = new Map();
        options.onReset();
        break;
      case 'position':
        handled = frame.cursor;
        break;
      case 'event':
        // What comes twice after a reconnect was applied already.
        if (handled !== null && compareCursors(frame.cursor, handled) <= 0) break;
        handled = frame.cursor;
        enqueue(frame);
        break;
      case 'resource':
        if (handled === null || compareCursors(frame.cursor, handled) > 0) enqueue(frame);
        break;
      case 'delta':
      case 'presence':
      case 'error':
        enqueue(frame);
        break;
      default:
        // A newer daemon may say more than this page understands.
        break;
    }
  }

  function open(): void {
    cancelRetry = null;
    const mine = options.connect();
    socket = mine;
    mine.onmessage = (message) => {
      if (socket === mine) receive(message.data);
    };
    mine.onclose = () => {
      if (socket !== mine) return;
      socket = null;
      if (stopped) return;
      options.onPhase('retrying');
      const ceiling = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** attempts);
      attempts += 1;
      cancelRetry = delay(open, ceiling * (0.5 + random() / 2));
    };
  }

  return {
    start() {
      if (!stopped) return;
      stopped = false;
      options.onPhase('connecting');
      open();
    },
    stop() {
      stopped = true;
      cancelRetry?.();
      cancelRetry = null;
      socket?.close();
      socket = null;
    },
    retryNow() {
      if (stopped || socket !== null) return;
      cancelRetry?.();
      open();
    },
    cursor: () => handled,
  };
}
