/**
 * A small daemon for developing and testing the page: the HTTP and WebSocket API over a fixture. It knows no agents; a prompt
 * with `[[ask QUESTION]]` asks, everything else is answered in a few streamed words.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import type { World } from './builder';
import { makeWorld } from './fixture';
import { routes, type Answer } from './mock-routes';
import { Play } from './mock-play';
import { MockStream } from './mock-stream';

/** As strict as a page can live with; the real daemon sends the same. */
export const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify',
].join('; ');

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const dist = new URL('../dist/', import.meta.url).pathname;
const COOKIE = 'coditect=mock';

export interface MockOptions {
  port?: number;
  /** Whether agents go on by themselves; off for pictures. */
  alive?: boolean;
  longMessages?: number;
  empty?: boolean;
}

export interface Mock {
  origin: string;
  /** An address that signs one page in, once; a new one each time it is asked for. */
  readonly launch: string;
  world: World;
  play: Play;
  stream: MockStream;
  /** Cuts every WebSocket, as a restart does. */
  cut(): void;
  /** While away, nobody gets in. */
  away(away: boolean): void;
  signOut(): void;
  requests: string[];
  close(): Promise<void>;
}

function emptyWorld(full: World): World {
  return {
    ...full,
    sessions: [],
    tasks: [],
    messages: [],
    plans: [],
    permissions: [],
    checkpoints: [],
    repos: [],
    locks: [],
    waits: [],
    notices: [],
    registrations: [],
    boards: [],
  };
}

async function serveFile(path: string, response: ServerResponse): Promise<void> {
  const wanted = normalize(path).replace(/^[/\\]+/, '');
  const file = extname(wanted) === '' ? 'index.html' : wanted;
  try {
    const bytes = await readFile(join(dist, file));
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': CSP,
      'x-content-type-options': 'nosniff',
      'cache-control': file === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable',
    });
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString('utf8');
  return text === '' ? null : (JSON.parse(text) as unknown);
}

function answer(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-correlation-id': 'mock' });
  response.end(body === undefined ? '' : JSON.stringify(body));
}

const refusal = (status: number, code: string, message: string, hint: string | null = null): Answer => ({
  status,
  body: { error: { code, message, hint } },
});

export async function startMock(options: MockOptions = {}): Promise<Mock> {
  const full = makeWorld(Date.now(), options.longMessages);
  const world = options.empty ? emptyWorld(full) : full;
  const sockets = new Set<WebSocket>();
  const requests: string[] = [];
  const codes = new Set<string>();
  let lastCode = 0;
  let away = false;
  let signedOut = false;
  const stream = new MockStream();
  const play = new Play(world, stream);
  stream.send = (frame) => {
    const text = JSON.stringify(frame);
    for (const socket of sockets) socket.send(text);
  };
  const handle = routes(world, play, stream);

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (away) {
      request.socket.destroy();
      return;
    }
    if (url.pathname === '/api/v1/launch' && codes.delete(url.searchParams.get('code') ?? '')) {
      response
        .writeHead(303, { location: '/', 'set-cookie': `${COOKIE}; HttpOnly; SameSite=Strict; Path=/` })
        .end();
    } else if (!url.pathname.startsWith('/api/')) {
      void serveFile(url.pathname, response);
    } else if (signedOut || !(request.headers.cookie ?? '').includes(COOKIE)) {
      answer(
        response,
        refusal(401, 'unauthenticated', 'this request carries no valid credential', 'run `coditect up`'),
      );
    } else {
      void bodyOf(request)
        .then((body) => handle(request.method ?? 'GET', url, body))
        .then((found) => answer(response, found ?? refusal(404, 'not_found', `no ${url.pathname}`)));
    }
  });

  const gate = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (away || signedOut || !(request.headers.cookie ?? '').includes(COOKIE)) {
      socket.destroy();
      return;
    }
    gate.handleUpgrade(request, socket, head, (opened) => {
      opened.send(
        JSON.stringify({ type: 'hello', version: '0.1.0-mock', api_revision: 1, newest: stream.newest }),
      );
      opened.on('close', () => sockets.delete(opened));
      opened.on('message', (data) => {
        const wish = JSON.parse(String(data)) as { type: string; after: string | null };
        if (wish.type !== 'subscribe') return;
        for (const frame of stream.since(wish.after)) opened.send(JSON.stringify(frame));
        sockets.add(opened);
      });
    });
  });

  await new Promise<void>((ready) => {
    server.listen(options.port ?? 0, '127.0.0.1', ready);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (options.alive) play.start();
  const cut = () => {
    for (const socket of sockets) socket.terminate();
  };
  return {
    origin,
    get launch() {
      const code = `code${(lastCode += 1)}`;
      codes.add(code);
      return `${origin}/api/v1/launch?code=${code}`;
    },
    world,
    play,
    stream,
    requests,
    cut,
    away(gone) {
      away = gone;
      if (gone) cut();
    },
    signOut() {
      signedOut = true;
      cut();
    },
    async close() {
      play.stop();
      cut();
      server.closeAllConnections();
      await new Promise((done) => {
        server.close(done);
      });
    },
  };
}
