/**
 * The product itself for a test: the built binary as daemon and as scripted models, on a data root and a repository of
 * its own. Nothing here stands in for anything.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** `CODITECT_BIN`, or the binary that was built last; null when there is none. */
export function findBinary(): string | null {
  const named = process.env.CODITECT_BIN;
  if (named) return named;
  const target = process.env.CARGO_TARGET_DIR ?? at('target');
  const built = ['debug', 'release'].map((profile) => join(target, profile, 'coditect')).filter(existsSync);
  const age = (path: string) => statSync(path).mtimeMs;
  return built.toSorted((a, b) => age(b) - age(a))[0] ?? null;
}

/** What the four agents are called, and whose they are. */
const AGENTS = [
  ['claude', 'anthropic', 'claude-sonnet-4-5'],
  ['gemini', 'google', 'gemini-2.5-pro'],
  ['kimi', 'moonshot', 'kimi-k2'],
  ['codex', 'openai', 'gpt-5.5'],
] as const;
const KEY = 'CODITECT_E2E_KEY';
/** Pause between two pieces of an answer, in milliseconds: text is seen being written. */
const PACE = '10';

export interface Real {
  /** Signs one page in, once. */
  launch: string;
  /** What the demo asks for. */
  prompt: string;
  repo: string;
  git(...args: string[]): string;
  cli(...args: string[]): string;
  stop(): Promise<void>;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    if (!child.stdout) return failed(new Error('no output'));
    child.once('exit', (code) => failed(new Error(`${child.spawnfile} ended with ${code}`)));
    createInterface({ input: child.stdout }).once('line', found);
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}

export async function startReal(binary: string): Promise<Real> {
  const folder = mkdtempSync(join(tmpdir(), 'coditect-e2e-'));
  const [root, repo] = [join(folder, 'data'), join(folder, 'stint')];
  const env = { ...process.env, HOME: folder, [KEY]: 'e2e-key-of-no-value', CODITECT_DATA_ROOT: root };
  const run = (program: string, args: string[], cwd = folder) =>
    execFileSync(program, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], repo);
  const cli = (...args: string[]) => run(binary, args);

  cpSync(at('examples/stint'), repo, { recursive: true });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--all');
  git('commit', '--quiet', '--message=Start');

  const models = spawn(binary, ['__scripted', '--pace', PACE], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const { base_urls } = JSON.parse(await firstLine(models)) as { base_urls: Record<string, string> };
  const agents = AGENTS.map(([name, vendor, model]) => [
    name,
    { vendor, model, api_key_env: KEY, base_url: base_urls[vendor] },
  ]);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'config.json'), JSON.stringify({ agents: Object.fromEntries(agents) }));
  const { url } = JSON.parse(cli('up', '--headless', '--json')) as { url: string };
  cli('repo', 'add', repo, '--name', 'stint', '--test', 'node --test');
  return {
    launch: url,
    prompt: readFileSync(at('examples/stint.demo/prompt.md'), 'utf8'),
    repo,
    git,
    cli,
    async stop() {
      cli('daemon', 'stop');
      models.stdin?.end();
      await ended(models);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
