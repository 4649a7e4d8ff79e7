/** A checkpoint that nobody asked for, as a turn leaves one behind. */
import type { Checkpoint } from '../src/api/nouns';
import { id, type Builder } from './builder';

export function afterTurn(b: Builder, session: string): Checkpoint {
  return {
    id: id('chk', b.number()),
    session,
    plan: null,
    repo: id('rep', 1),
    git_ref: 'refs/coditect/checkpoints/2',
    commit: '91b6c2f08d7a4e35b1c6f0a92d83e7415c0f6ab8',
    paths: ['src/lexer.rs', 'tests/lexer.rs'],
    co_authors: ['codex'],
    message: 'After a turn of codex',
    created_at: b.ago(175),
    kind: 'after_turn',
    name: null,
    point: {
      worktree: '/srv/textkit',
      tree: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
      base: null,
      parent: null,
      depth: 0,
      turn: null,
      message: null,
      at: '1.42',
      changed: 2,
      left_out: 0,
    },
  };
}
