import { createContext, useContext } from 'react';
import type { Deeds } from './deeds';

export const DeedsContext = createContext<Deeds | null>(null);

export function useDeeds(): Deeds {
  const deeds = useContext(DeedsContext);
  if (!deeds) throw new Error('useDeeds outside the shell');
  return deeds;
}
