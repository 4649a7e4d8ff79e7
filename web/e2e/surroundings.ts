/** What is there before anybody works: two repositories and the team. */
import { type Builder, id, TEAM } from './builder';

export function surroundings(b: Builder): void {
  b.world.repos.push(
    {
      id: id('rep', 1),
      short_id: 'ca1c000001',
      slug: 'calc',
      path: '/home/dev/projects/calc',
      branch: 'feat/lock-lease',
      default_branch: 'main',
      test_command: ['cargo', 'test'],
      trusted: [],
      url: null,
      added_at: b.ago(90_000),
    },
    {
      id: id('rep', 2),
      short_id: 'web5170001',
      slug: 'website',
      path: '/home/dev/projects/website',
      branch: 'main',
      default_branch: 'main',
      test_command: null,
      trusted: [],
      url: null,
      added_at: b.ago(80_000),
    },
  );
  b.world.agents.push(
    ...TEAM.map((one) => ({
      name: one.agent,
      vendor: one.vendor,
      driver: 'native' as const,
      base_url: null,
      model: one.model,
      context_window: one.window,
      api_key_env: `${one.vendor.toUpperCase()}_API_KEY`,
      key_present: true,
      isolation: one.isolation,
      sandbox: one.sandbox,
      sub_agents: false,
      capabilities: [],
      paused: null,
    })),
  );
}
