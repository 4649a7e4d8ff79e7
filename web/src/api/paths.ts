/** The routes in the form openapi-fetch reads; replaced by the generated file once the daemon emits its contract. */
import type {
  Agent,
  Checkpoint,
  EventFrame,
  LiveTurn,
  Locks,
  Message,
  Notice,
  Page,
  Plan,
  Registration,
  Repo,
  Session,
  Status,
  Task,
} from './nouns';

type Json<T> = { content: { 'application/json': T } };
type Params<P, Q> = ([P] extends [never] ? { path?: never } : { path: P }) & {
  query?: Q;
  header?: { 'Idempotency-Key'?: string };
  cookie?: never;
};
type Read<T, P = never, Q = never> = { parameters: Params<P, Q>; responses: { 200: Json<T> } };
type Write<B, T, P = never, Q = never> = Read<T, P, Q> & { requestBody: Json<B> };
type Order<T, P = never, Q = never> = Read<T, P, Q> & { requestBody?: never };

type ById = { id: string };

export interface paths {
  '/status': { get: Read<Status> };
  '/sessions': {
    get: Read<Page<Session>, never, { include_archived?: boolean; limit?: number; before?: string }>;
    post: Write<{ title: string; repo?: string; agents: string[] }, Session>;
  };
  '/sessions/{id}': {
    get: Read<Session, ById>;
    patch: Write<{ title: string }, Session, ById>;
    delete: Order<Session, ById>;
  };
  '/sessions/{id}/tasks': { get: Read<Page<Task>, ById> };
  '/sessions/{id}/messages': {
    get: Read<Page<Message>, ById, { before?: string; limit?: number }>;
    post: Write<{ text: string; targets: string[]; priority?: number }, Task, ById>;
  };
  '/sessions/{id}/live': { get: Read<Page<LiveTurn>, ById> };
  '/sessions/{id}/checkpoints': { get: Read<Page<Checkpoint>, ById> };
  '/sessions/{id}/plans': {
    get: Read<Page<Plan>, ById>;
    post: Write<{ prompt: string; agents: string[] }, Plan, ById>;
  };
  '/tasks': { get: Read<Page<Task>, never, { state: string }> };
  '/tasks/{id}/cancel': { post: Order<Task, ById> };
  '/tasks/{id}/answer': { post: Write<{ answer: string }, Task, ById> };
  '/agents': { get: Read<Page<Agent>> };
  '/locks': { get: Read<Locks> };
  '/locks/{token}': { delete: Order<unknown, { token: number }, { break?: boolean }> };
  '/notices': { get: Read<Page<Notice>, never, { limit?: number }> };
  '/registrations': { get: Read<Page<Registration>> };
  '/events': { get: Read<Page<Omit<EventFrame, 'type'>>, never, { after: string; limit: number }> };
  '/repos': { get: Read<Page<Repo>> };
}
