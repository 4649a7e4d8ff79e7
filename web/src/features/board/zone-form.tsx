/** What a zone is called, where it is, and what dropping a card in it does. */
import { useState } from 'react';
import type { Place, Zone } from '@/api/nouns';
import { Button } from '@/components/button';
import { Section } from '@/components/section';
import { useChangeZone, useRemoveZone } from './orders';

const COLOURS: Zone['colour'][] = ['grey', 'blue', 'green', 'yellow', 'red', 'purple'];
const ACTIONS = [
  ['none', 'does nothing'],
  ['prompt', 'prompts its session'],
  ['spawn', 'spawns a session'],
  ['fork', 'forks its session'],
] as const;
type Action = (typeof ACTIONS)[number][0];
const SIDES = ['x', 'y', 'width', 'height'] as const;

const FIELD = 'h-7 w-full min-w-0 rounded-md border border-edge/60 bg-raised px-2 text-sm';

export function ZoneForm({ zone, onGone }: { zone: Zone; onGone(): void }) {
  const change = useChangeZone();
  const remove = useRemoveZone();
  const [name, setName] = useState(zone.name);
  const [colour, setColour] = useState(zone.colour);
  const [place, setPlace] = useState<Place>(zone.place);
  const [action, setAction] = useState<Action>(zone.trigger?.action ?? 'none');
  const [template, setTemplate] = useState(zone.trigger?.template ?? '');
  const [confirm, setConfirm] = useState(zone.trigger?.confirm ?? false);
  const agents = zone.trigger?.agents ?? [];
  const trigger = action === 'none' ? null : { action, template, agents, confirm };
  return (
    <Section title={`Zone ${zone.name}`}>
      <form
        className="flex flex-col gap-2 px-4"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ zone: zone.id, name, colour, place, trigger, revision: zone.revision });
        }}
      >
        <label className="flex flex-col gap-0.5 text-xs text-muted">
          Name
          <input
            value={name}
            maxLength={100}
            onChange={(event) => setName(event.target.value)}
            className={FIELD}
          />
        </label>
        <label className="flex flex-col gap-0.5 text-xs text-muted">
          Colour
          <select
            value={colour}
            onChange={(event) => setColour(event.target.value as Zone['colour'])}
            className={FIELD}
          >
            {COLOURS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <div className="grid grid-cols-2 gap-2">
          {SIDES.map((side) => (
            <label key={side} className="flex flex-col gap-0.5 text-xs text-muted">
              {side}
              <input
                type="number"
                step={20}
                value={place[side]}
                onChange={(event) => setPlace({ ...place, [side]: Math.round(Number(event.target.value)) })}
                className={FIELD}
              />
            </label>
          ))}
        </div>
        <label className="flex flex-col gap-0.5 text-xs text-muted">
          A card that is dropped here
          <select
            value={action}
            onChange={(event) => setAction(event.target.value as Action)}
            className={FIELD}
          >
            {ACTIONS.map(([word, does]) => (
              <option key={word} value={word}>
                {does}
              </option>
            ))}
          </select>
        </label>
        {action !== 'none' && (
          <>
            <label className="flex flex-col gap-0.5 text-xs text-muted">
              Prompt
              <textarea
                rows={4}
                value={template}
                placeholder="Review {{session.title}} on {{branch}}"
                onChange={(event) => setTemplate(event.target.value)}
                className="rounded-md border border-edge/60 bg-raised px-2 py-1 text-sm text-ink"
              />
            </label>
            <label className="flex items-center gap-2 text-xs">
              <input
                type="checkbox"
                checked={confirm}
                onChange={(event) => setConfirm(event.target.checked)}
              />
              Ask me first
            </label>
          </>
        )}
        <div className="flex gap-2">
          <Button type="submit" size="sm" disabled={change.isPending}>
            Keep the zone
          </Button>
          <Button
            size="sm"
            tone="danger"
            disabled={remove.isPending}
            onClick={() => remove.mutate(zone.id, { onSuccess: onGone })}
          >
            Remove the zone
          </Button>
        </div>
      </form>
    </Section>
  );
}
