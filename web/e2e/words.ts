/** What the agents of the fixture say. Fiction about a small calculator, long enough to look like work. */
import type { MergedTask, PlannedTask } from '../src/api/nouns';
import type { Builder } from './builder';

const source = `pub fn parse_unary(&mut self) -> Result<Expr, ParseError> {
    if self.eat(Token::Minus) {
        let operand = self.parse_unary()?;
        return Ok(Expr::Negate(Box::new(operand)));
    }
    self.parse_power()
}
`;

const planned = (name: string, title: string, files: string[], depends_on: string[] = []): PlannedTask => ({
  name,
  title,
  instructions: `${title}. Keep the public API as it is.`,
  files,
  depends_on,
  priority: 0,
});

const PLANS: Record<string, PlannedTask[]> = {
  claude: [
    planned('precedence', 'Fix precedence of unary minus', ['src/parser.rs']),
    planned('errors', 'Report the column in parse errors', ['src/parser.rs', 'src/error.rs'], ['precedence']),
  ],
  gemini: [
    planned('columns', 'Report the column in parse errors', ['src/parser.rs', 'src/error.rs']),
    planned('docs', 'Describe the grammar', ['docs/grammar.md']),
  ],
  kimi: [planned('rounding', 'Round results like the reference', ['src/format.rs'])],
  codex: [
    planned('exponents', 'Accept exponents in the lexer', ['src/lexer.rs', 'tests/lexer.rs']),
    planned(
      'overflow',
      'Guard evaluation against overflow',
      ['src/eval.rs', 'tests/overflow.rs'],
      ['exponents'],
    ),
  ],
};

export const plannedTasks = (agent: string): PlannedTask[] => PLANS[agent] ?? [];

const merged = (task: PlannedTask | undefined, assignee: string, reviewers: string[]): MergedTask => ({
  ...(task ?? planned('none', 'none', [])),
  assignee,
  reviewers,
});

export const talk = {
  wish: 'Make the parser tests pass. Unary minus, exponents and rounding are wrong; errors should name the column.',
  source,
  thought:
    'The failing cases are all of the form -2^2.\nThe grammar gives unary minus the higher binding power, so the square is taken of -2.\nMathematically the power binds tighter. Three tests agree, one disagrees: tests/parser.rs:88 expects 4.',
  precedence:
    'Three of the five failures come from one place: `parse_unary` calls itself before `parse_power`, so `-2^2` is read as `(-2)^2`.\n\nI will let the power bind tighter:\n\n- `parse_unary` parses an operand through `parse_power`\n- `parse_power` takes a *unary* exponent, so that `2^-1` still works',
  table:
    'With the change, this is what each input means:\n\n| input | before | after |\n|---|---|---|\n| `-2^2` | 4 | −4 |\n| `2^-1` | 0.5 | 0.5 |\n| `--3` | 3 | 3 |\n\n`tests/parser.rs:88` expected the old reading; the reference agrees with the new one, so I change the test too.',
  waiting:
    'Errors carry a byte offset already. I need `src/parser.rs` to turn it into a column; Claude holds it, so I wait for the lock.',
  rounding:
    'The reference rounds half to even, our tests round half up. Both are in the issue, in different comments.',
  question: 'Which rounding mode is right: half to even (as the reference) or half up (as the tests)?',
  proposal: {
    claude: 'Two tasks: the precedence first, then error columns, because both touch `src/parser.rs`.',
    gemini: 'Error columns and a page that describes the grammar.',
    kimi: 'Rounding belongs in `src/format.rs` only.',
    codex: 'The lexer first; evaluation depends on exponents being read.',
  } as Record<string, string>,
  lexerEdit: {
    path: 'src/lexer.rs',
    old: '        while self.peek().is_ascii_digit() {\n            self.bump();\n        }\n        Token::Number(self.slice().parse()?)',
    new: "        while self.peek().is_ascii_digit() {\n            self.bump();\n        }\n        if matches!(self.peek(), b'e' | b'E') {\n            self.exponent()?;\n        }\n        Token::Number(self.slice().parse()?)",
  },
  parserEdit: {
    path: 'src/parser.rs',
    old: '        let operand = self.parse_unary()?;\n        return Ok(Expr::Negate(Box::new(operand)));',
    new: '        let operand = self.parse_power()?;\n        return Ok(Expr::Negate(Box::new(operand)));',
  },
  testOutput:
    'running 24 tests\ntest unary_minus_and_power ... FAILED\ntest column_of_error ... FAILED\n\nfailures:\n    unary_minus_and_power: left: 4.0, right: -4.0\n    column_of_error: left: None, right: Some(7)\n\ntest result: FAILED. 22 passed; 2 failed',
  streaming:
    'The edit is in. Now the test that disagreed: `tests/parser.rs:88` says `-2^2` is `4`, which is what the old grammar gave. The reference says `-4`, and so does every textbook I know of.\n\nI change that line and add two cases beside it, so that the next person sees the rule and not only one number:\n\n```rust\n#[test]\nfn unary_minus_binds_looser_than_power() {\n    assert_eq!(eval("-2^2"), Ok(-4.0));\n    assert_eq!(eval("(-2)^2"), Ok(4.0));\n    assert_eq!(eval("2^-1"), Ok(0.5));\n}\n```\n\nThen I give the lock back, so that Gemini can go on with the columns.',
  markdown:
    'A record carries the hash of the one before it, so a torn tail shows at once:\n\n1. The last line has no newline, or does not parse, or its hash does not match.\n2. Everything from there on is copied to `torn-2.bin`, and the segment is cut.\n3. The **epoch rises**, so that no number is ever used twice.\n\n> Nothing that was acknowledged is in the torn part: acknowledgements wait for the sync.\n\nSee the [journal decision](https://example.org/decisions/0002).',
  long: [
    'Moved the reader over to the new cursor and ran the tests again.',
    'Two call sites still take the old type:\n\n- `crates/store/src/replay.rs`\n- `crates/server/src/events.rs`\n\nBoth compile once `Cursor` is `Copy`.',
    'Agreed. I take the server, you take the store.',
    'Done. The diff is smaller than I feared: one signature and four callers. The property test ran 10,000 cases without a difference between the old and the new order.',
    '```rust\nlet after = Cursor { epoch, seq: seq + 1 };\nlet page = reader.read_after(after, 200)?;\n```\n\nThis skips one record: `read_after` already excludes its argument.',
    'Good catch. Fixed, and there is a test now.',
  ],
  merged: {
    tasks: [
      merged(PLANS.codex?.[0], 'codex', []),
      merged(PLANS.claude?.[0], 'claude', ['gemini']),
      merged(PLANS.gemini?.[0], 'gemini', ['claude']),
      merged(PLANS.kimi?.[0], 'kimi', []),
      merged(PLANS.codex?.[1], 'codex', []),
    ],
    explanation: [
      'Claude and Gemini both proposed to report the column in parse errors; Gemini does it, because Claude already has src/parser.rs for the precedence, and Claude reviews.',
      'Fix precedence of unary minus goes before Report the column in parse errors: both change src/parser.rs.',
      'Guard evaluation against overflow waits for Accept exponents in the lexer, as Codex asked.',
      'Describe the grammar was left out: nobody else needs it and the prompt does not ask for it.',
    ],
  },
};

/** Led in a terminal, before there was a studio. */
export function imported(b: Builder): void {
  const session = b.session(
    'Look why the build is slow',
    'completed',
    400_000,
    [['claude', 'done', 390_000]],
    120_000,
  );
  session.origin = {
    vendor: 'anthropic',
    session: '77ec4bae-0b51-4c1e-9c8a-2f7f6f1f0a11',
    source: '/home/dev/.claude/projects/calc/77ec4bae.jsonl',
    cwd: '/home/dev/projects/calc',
    branch: 'main',
    version: '2.1.329',
    call: null,
  };
}
