/**
 * The nouns as the daemon sends them. One word per concept, the same as in the daemon.
 * Times are RFC 3339, ids are opaque strings with a prefix, costs are millionths of a US dollar.
 */

export type Vendor = 'anthropic' | 'google' | 'moonshot' | 'openai';

export const PARTICIPANT_STATUSES = [
  'starting',
  'idle',
  'thinking',
  'editing',
  'running_tool',
  'waiting_lock',
  'needs_input',
  'indexing',
  'paused',
  'done',
  'failed',
  'stale',
] as const;
export type ParticipantStatus = (typeof PARTICIPANT_STATUSES)[number];

export type SessionState = 'idle' | 'running' | 'completed' | 'failed';
export type TaskState =
  'submitted' | 'working' | 'input_required' | 'completed' | 'failed' | 'canceled' | 'rejected';
export type TaskKind = 'prompt' | 'propose' | 'work' | 'review';
export type PlanState = 'proposing' | 'executing' | 'testing' | 'completed' | 'failed';
export type LockMode = 'shared' | 'exclusive' | 'advisory';

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  cost_micros: number;
}

export interface Participant {
  id: string;
  session: string;
  agent: string;
  driver: string;
  vendor: Vendor;
  model: string;
  context_window: number;
  joined_at: string;
  status: ParticipantStatus;
  detail: string | null;
  since: string;
  context_used: number;
}

export interface Session {
  id: string;
  short_id: string;
  workspace: string;
  title: string;
  repo: string | null;
  board: string | null;
  parent: string | null;
  forked_from: string | null;
  created_at: string;
  updated_at: string;
  state: SessionState;
  archived: boolean;
  participants: Participant[];
  usage: Usage;
  /** Tasks that wait for an answer. */
  needs_input: number;
}

export interface Question {
  task: string;
  turn: string;
  participant: string;
  question: string;
}

export interface FileChange {
  session: string;
  task: string;
  turn: string;
  participant: string;
  path: string;
  before: string | null;
  after: string;
  lines_added: number;
  lines_removed: number;
  token: number;
}

export interface Target {
  participant: string;
  agent: string;
  state: TaskState;
  attempt: number;
}

export interface Task {
  id: string;
  short_id: string;
  session: string;
  plan: string | null;
  kind: TaskKind;
  title: string;
  prompt: string;
  targets: Target[];
  priority: number;
  depends_on: string[];
  /** Files the task is expected to change. */
  files: string[];
  /** Files it did change. */
  changes: FileChange[];
  state: TaskState;
  attempt: number;
  /** The summary when it is completed, the reason when it is not. */
  text: string | null;
  question: Question | null;
  created_at: string;
  updated_at: string;
  usage?: Usage | null;
}

export type Block =
  | { type: 'text'; text: string }
  | { type: 'thinking'; text: string; signature?: string | null }
  | { type: 'tool_call'; call_id: string; tool: string; arguments: unknown }
  | {
      type: 'tool_result';
      call_id: string;
      tool: string;
      output: string;
      is_error: boolean;
      exit_code: number | null;
    }
  | { type: 'image'; media_type: string; hash: string };

export interface Message {
  id: string;
  session: string;
  task: string | null;
  turn: string | null;
  participant: string | null;
  parent: string | null;
  role: 'user' | 'assistant' | 'tool' | 'system';
  blocks: Block[];
  usage: Usage | null;
  latency_ms: number | null;
  created_at: string;
}

export interface LiveTurn {
  session: string;
  turn: string;
  task: string;
  participant: string;
  text: string;
  thinking: string;
}

export interface PlannedTask {
  name: string;
  title: string;
  instructions: string;
  files: string[];
  depends_on: string[];
  priority: number;
}

export interface Proposal {
  participant: string;
  agent: string;
  tasks: PlannedTask[];
}

export interface MergedTask extends PlannedTask {
  assignee: string;
  reviewers: string[];
}

export interface TestReport {
  command: string[];
  exit_code: number | null;
  passed: number;
  failed: number;
  tail: string;
  elapsed_ms: number;
}

export interface Plan {
  id: string;
  session: string;
  repo: string;
  prompt: string;
  participants: string[];
  created_at: string;
  state: PlanState;
  proposals: Proposal[];
  merged: { tasks: MergedTask[]; explanation: string[] } | null;
  tests: TestReport | null;
  text: string | null;
  tasks: Task[];
}

export interface Checkpoint {
  id: string;
  session: string;
  plan: string | null;
  git_ref: string;
  commit: string;
  paths: string[];
  co_authors: string[];
  message: string;
  created_at: string;
}

export interface Agent {
  name: string;
  vendor: Vendor;
  driver: string;
  model: string;
  context_window: number;
  api_key_env: string;
  key_present: boolean;
}

export interface Repo {
  id: string;
  slug: string;
  path: string;
  default_branch: string | null;
  test_command: string[] | null;
  added_at: string;
}

export interface Lock {
  worktree: string;
  path: string;
  mode: LockMode;
  holder: string;
  agent: string;
  session: string | null;
  token: number;
  acquired_at: string;
  expires_at: string;
}

export interface Wait {
  waiter: string;
  agent: string;
  worktree: string;
  paths: string[];
  since: string;
  blocked_by: Lock[];
}

export interface Locks {
  items: Lock[];
  waits: Wait[];
}

export interface Notice {
  id: number;
  sender: string;
  agent: string;
  channel: string;
  recipient: string | null;
  payload: unknown;
  created_at: string;
  ttl_seconds: number;
}

export interface Registration {
  id: string;
  agent: string;
  vendor: string;
  model: string | null;
  session: string | null;
  worktree: string | null;
  pid: number | null;
  phase: 'active' | 'idle' | 'terminated';
  registered_at: string;
  heartbeat_at: string;
}

export interface Status {
  version: string;
  workspace: string;
  started_at: string;
  cursor: string;
  sessions: number;
  running_turns: number;
  locks: number;
  needs_input: number;
  usage: Usage;
  dropped: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** What travels down the WebSocket. */
export type Frame =
  | { type: 'hello'; version: string }
  | EventFrame
  | ResourceFrame
  | DeltaFrame
  | { type: 'reset'; newest: string }
  | { type: 'error'; error: { code: string; message: string; hint?: string | null } };

export interface EventFrame {
  type: 'event';
  cursor: string;
  ts: string;
  kind: string;
  session: string | null;
  actor: string;
  payload: unknown;
}

export interface ResourceFrame {
  type: 'resource';
  action: 'created' | 'patched' | 'removed';
  noun: string;
  id: string;
  cursor: string;
  body: unknown;
}

export interface DeltaFrame {
  type: 'delta';
  session: string;
  turn: string;
  participant: string;
  kind: 'text' | 'thinking';
  /** UTF-8 bytes of this kind before this piece, within the current message. */
  offset: number;
  text: string;
}
