/** The events just before the page was opened, so that the activity feed does not begin empty. */
import { useActivity } from './activity';
import { client, take } from './client';

const RECENT = 100;

export async function fetchRecentActivity(): Promise<void> {
  try {
    const { cursor } = await take(client.GET('/api/v1/status', {}));
    const [epoch = '0', seq = '0'] = cursor.split('.');
    const after = `${epoch}.${Math.max(0, Number(seq) - RECENT)}`;
    const page = await take(client.GET('/api/v1/events', { params: { query: { after, limit: RECENT } } }));
    useActivity.getState().seed(page.reset ? [] : page.items);
  } catch {
    // The feed fills as things happen; nothing else depends on it.
  }
}
