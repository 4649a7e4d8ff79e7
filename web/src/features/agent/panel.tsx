/** What each agent of a session is doing right now. */
import { useQuery } from '@tanstack/react-query';
import { agentsQuery } from '@/api/queries';
import type { Agent, Participant } from '@/api/nouns';
import { short } from '@/components/figures';
import { AgentName } from './identity';
import { IsolationMark, Unsandboxed } from './isolation';
import { StatusWord } from './status';

/** How full the model's window is; from three quarters on it is worth a look. */
function ContextMeter({ participant }: { participant: Participant }) {
  const { context_used: used, context_window: window } = participant;
  if (window <= 0 || used <= 0) return null;
  const percent = Math.min(100, Math.round((used / window) * 100));
  return (
    <span
      className="flex shrink-0 items-center gap-1.5 text-2xs text-faint"
      title={`Context: ${short(used)} of ${short(window)} tokens`}
    >
      <span className="h-1 w-8 overflow-hidden rounded-full bg-line" aria-hidden>
        <span
          className={`block h-full rounded-full ${percent >= 75 ? 'bg-warn' : 'bg-faint'}`}
          style={{ width: `${percent}%` }}
        />
      </span>
      <span>
        <span className="sr-only">context </span>
        {percent}%
      </span>
    </span>
  );
}

/** `foreign`: a vendor's own program led the session, so what is configured here says nothing of it. */
export function AgentPanel({
  participants,
  foreign = false,
}: {
  participants: Participant[];
  foreign?: boolean;
}) {
  const configured = useQuery(agentsQuery).data ?? [];
  const agentOf = (one: Participant): Agent | undefined =>
    foreign ? undefined : configured.find((agent) => agent.name === one.agent);
  return (
    <ul className="flex flex-col">
      {participants.map((one) => {
        const agent = agentOf(one);
        return (
          <li key={one.id} className="flex flex-col gap-0.5 px-4 py-1.5">
            <span className="flex items-center justify-between gap-2">
              <AgentName name={one.agent} hue={one.vendor} strong />
              <StatusWord status={one.status} since={one.since} />
            </span>
            {/* One line whatever there is to say: what is below must not jump each time a tool runs. */}
            <span className="flex h-4 items-center justify-between gap-2 pl-5 text-2xs text-faint">
              {one.detail ? (
                <span className="truncate font-mono text-muted" title={`${one.detail} · ${one.model}`}>
                  {one.detail}
                </span>
              ) : (
                <span className="truncate">{one.model}</span>
              )}
              <span className="flex shrink-0 items-center gap-2">
                {agent && <IsolationMark agent={agent} />}
                <ContextMeter participant={one} />
              </span>
            </span>
            {agent && <Unsandboxed agent={agent} />}
          </li>
        );
      })}
    </ul>
  );
}
