/** Whether a session on the bus lives. Icon, word and age, like every other word for how somebody is. */
import { HeartCrack, HeartOff, HeartPulse, type LucideIcon } from 'lucide-react';
import type { Vitality } from '@/api/nouns';
import { Age } from '@/components/time';

const LOOKS: Record<Vitality, { icon: LucideIcon; tone: string; meaning: string }> = {
  alive: { icon: HeartPulse, tone: 'text-good', meaning: 'Gave a sign of life lately.' },
  suspect: {
    icon: HeartCrack,
    tone: 'text-warn',
    meaning:
      'No sign of life for a while, though nothing shows that it is dead. Its locks end with their leases.',
  },
  dead: {
    icon: HeartOff,
    tone: 'text-danger',
    meaning: 'Its process is gone. Whoever wants its files next gets them.',
  },
};

export function VitalityWord({ vitality, since }: { vitality: Vitality; since: string }) {
  const { icon: Icon, tone, meaning } = LOOKS[vitality] ?? LOOKS.suspect;
  return (
    <span title={meaning} className={`inline-flex items-baseline gap-1 whitespace-nowrap text-xs ${tone}`}>
      <Icon size={13} aria-hidden className="shrink-0 self-center" />
      <span>{vitality}</span>
      <Age since={since} className="w-7 text-right text-2xs text-faint" />
    </span>
  );
}
