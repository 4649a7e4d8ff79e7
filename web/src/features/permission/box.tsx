/** What an agent has to be allowed: the call as it is, and a decision about exactly that. */
import { Check, X } from 'lucide-react';
import { useId, useState } from 'react';
import { useDecide } from '@/api/mutations';
import type { Permission, PermissionScope } from '@/api/nouns';
import { Button } from '@/components/button';
import { Age } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { fields } from './plainly';

const SCOPES: { scope: PermissionScope; word: string }[] = [
  { scope: 'once', word: 'this once' },
  { scope: 'session', word: 'in this session' },
  { scope: 'repo', word: 'in this repo' },
  { scope: 'always', word: 'always' },
];

const field = 'h-7 rounded-md border border-edge bg-raised px-2';

function Arguments({ permission }: { permission: Permission }) {
  return (
    <dl className="mt-1.5 flex flex-col gap-1">
      {fields(permission.arguments).map(({ name, text }) => (
        <div key={name} className="flex min-w-0 flex-col">
          {name !== '' && <dt className="text-2xs text-muted">{name}</dt>}
          <dd>
            <div
              // Scrollable by keyboard.
              // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
              tabIndex={0}
              className="focus-inset max-h-40 overflow-auto rounded-md border border-line bg-sunken px-2 py-1"
            >
              <pre className="font-mono text-xs wrap-anywhere whitespace-pre-wrap text-ink">{text}</pre>
            </div>
          </dd>
        </div>
      ))}
      {permission.paths.length > 0 && (
        <div className="flex min-w-0 gap-2 text-xs">
          <dt className="shrink-0 text-muted">Files</dt>
          <dd className="min-w-0 font-mono wrap-anywhere">{permission.paths.join(', ')}</dd>
        </div>
      )}
    </dl>
  );
}

export function PermissionBox({
  permission,
  agent,
  context,
}: {
  permission: Permission;
  agent: string;
  context?: React.ReactNode;
}) {
  const [scope, setScope] = useState<PermissionScope>('once');
  const [reason, setReason] = useState('');
  const decide = useDecide();
  const title = useId();

  function answer(allow: boolean): void {
    if (!decide.isPending) decide.mutate({ permission, allow, scope, reason: reason.trim() });
  }

  return (
    <section
      aria-labelledby={title}
      className="rounded-lg border border-accent/40 bg-accent-wash px-3 py-2.5"
    >
      <div className="flex items-center gap-2 text-xs text-muted">
        <NamedAgent name={agent} strong />
        <span className="shrink-0">asks for permission</span>
        <Age since={permission.requested_at} />
        <span className="min-w-0 flex-1 truncate text-right">{context}</span>
      </div>
      <p id={title} className="mt-1 font-medium wrap-anywhere text-ink">
        {permission.summary}
      </p>
      <p className="text-2xs text-muted">
        {permission.tool} · {permission.category}
      </p>
      <Arguments permission={permission} />
      <div className="mt-2 flex flex-wrap items-center gap-2">
        <Button
          tone="primary"
          data-focus="permission"
          disabled={decide.isPending}
          onClick={() => answer(true)}
        >
          <Check size={13} aria-hidden />
          Allow
        </Button>
        <Button tone="danger" disabled={decide.isPending} onClick={() => answer(false)}>
          <X size={13} aria-hidden />
          Deny
        </Button>
        <select
          aria-label="How far it reaches"
          value={scope}
          onChange={(event) => setScope(event.target.value as PermissionScope)}
          className={field}
        >
          {SCOPES.map((one) => (
            <option key={one.scope} value={one.scope}>
              {one.word}
            </option>
          ))}
        </select>
        <input
          aria-label="Why not"
          value={reason}
          maxLength={300}
          placeholder="Why not, for the agent…"
          onChange={(event) => setReason(event.target.value)}
          className={`${field} min-w-32 flex-1`}
        />
      </div>
    </section>
  );
}
