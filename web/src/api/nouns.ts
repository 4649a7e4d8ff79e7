/**
 * The nouns as the daemon sends them: short names for the generated contract. Times are RFC 3339, ids are opaque
 * strings with a prefix, costs are millionths of a US dollar.
 */
import type { components } from './generated';

type Schemas = components['schemas'];

export type Agent = Schemas['Agent'];
export type AttachedClient = Schemas['AttachedClient'];
export type Block = Schemas['Block'];
export type BoardSummary = Schemas['BoardSummary'];
export type Card = Schemas['Card'];
export type CardConflict = Schemas['CardConflict'];
export type Checkpoint = Schemas['Checkpoint'];
export type Comment = Schemas['Comment'];
export type Compaction = Schemas['Compaction'];
export type DeltaFrame = Schemas['Delta'] & { type: 'delta' };
export type EventRecord = Schemas['EventRecord'];
export type FileChange = Schemas['FileChange'];
export type InputWish = Schemas['InputWish'];
export type KeptWorktree = Schemas['KeptWorktree'];
export type LiveTurn = Schemas['LiveTurn'];
export type Lock = Schemas['Lock'];
export type LockMode = Schemas['LockMode'];
export type Locks = Schemas['LockTable'];
export type MergedTask = Schemas['MergedTask'];
export type Message = Schemas['Message'];
export type Notice = Schemas['Notice'];
export type Noun = Schemas['Noun'];
export type Participant = Schemas['Participant'];
export type ParticipantStatus = Schemas['ParticipantStatus'];
export type Permission = Schemas['Permission'];
export type PermissionScope = Schemas['PermissionScope'];
export type Place = Schemas['Place'];
export type Plan = Schemas['Plan'];
export type PlannedTask = Schemas['PlannedTask'];
export type PlanState = Schemas['PlanState'];
export type Proposal = Schemas['Proposal'];
export type Presence = Schemas['Presence'];
export type Presences = Schemas['Presences'];
export type Receipt = Schemas['Receipt'];
export type Repo = Schemas['Repo'];
export type Session = Schemas['Session'];
export type SessionState = Schemas['SessionState'];
export type Status = Schemas['Status'];
export type Target = Schemas['Target'];
export type Task = Schemas['Task'];
export type TaskKind = Schemas['TaskKind'];
export type TaskState = Schemas['TaskState'];
export type Turn = Schemas['Turn'];
export type Usage = Schemas['Usage'];
export type Vendor = Schemas['Vendor'];
export type Vitality = Schemas['Vitality'];
export type Wait = Schemas['LockWait'];
export type WholeBoard = Schemas['WholeBoard'];
export type Zone = Schemas['Zone'];

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** What comes down the WebSocket. */
export type Frame = Schemas['ServerMessage'];

export interface ResourceFrame {
  type: 'resource';
  action: Schemas['Action'];
  noun: Noun;
  id: string;
  cursor: string;
  /** `created` carries the noun, `patched` the fields that changed. */
  body: unknown;
}
