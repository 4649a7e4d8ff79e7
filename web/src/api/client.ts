/**
 * The one way to ask the daemon something. Same origin, cookie set by the launch link.
 * Invariant: a call either returns data or throws an `ApiError` that a person can read.
 */
import createClient from 'openapi-fetch';
import type { paths } from './generated';
import { useConnection } from './connection';
import { firstLook } from './first-look';

export const API = '/api/v1';

/** A refusal in the daemon's own words. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  readonly correlation: string | null;

  constructor(
    status: number,
    code: string,
    message: string,
    hint: string | null,
    correlation: string | null,
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.correlation = correlation;
  }
}

export const client = createClient<paths>({
  baseUrl: typeof location === 'undefined' ? '' : location.origin,
  // Looked up per call, so that a test can stand in for the network.
  fetch: (request) => fetch(request),
});

client.use({
  async onRequest({ request }) {
    if (request.method === 'GET') await firstLook();
  },
  onResponse({ response }) {
    if (response.status === 401) useConnection.getState().signOut();
  },
});

interface Answer {
  data?: unknown;
  error?: unknown;
  response: Response;
}

/** Unwraps an openapi-fetch answer: the data, or an `ApiError` thrown. */
export async function take<A extends Answer>(asked: Promise<A>): Promise<NonNullable<A['data']>> {
  let answer: A;
  try {
    answer = await asked;
  } catch (fault) {
    if (fault instanceof DOMException && fault.name === 'AbortError') throw fault;
    throw new ApiError(0, 'unreachable', 'The daemon does not answer.', 'Run `coditect up`.', null);
  }
  if (answer.response.ok) return (answer.data ?? {}) as NonNullable<A['data']>;
  throw refusal(answer.response, answer.error);
}

function refusal(response: Response, body: unknown): ApiError {
  const correlation = response.headers.get('x-correlation-id');
  const error = (body as { error?: { code?: string; message?: string; hint?: string | null } } | undefined)
    ?.error;
  return new ApiError(
    response.status,
    error?.code ?? 'unexpected',
    error?.message ?? `The daemon answered ${response.status}.`,
    error?.hint ?? null,
    correlation,
  );
}

/** Header that makes a request harmless when it is sent twice. One key per wish of the user. */
export function once(): { header: { 'idempotency-key': string } } {
  return { header: { 'idempotency-key': crypto.randomUUID() } };
}
