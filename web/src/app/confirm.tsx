/** Asks before something that cannot be taken back. One question at a time. */
import { create } from 'zustand';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';

interface Doubt {
  title: string;
  text: string;
  /** The word on the button that does it. */
  deed: string;
}

interface Asking {
  doubt: Doubt | null;
  answer: (sure: boolean) => void;
}

const useAsking = create<Asking>()(() => ({ doubt: null, answer: () => undefined }));

export function ask(doubt: Doubt): Promise<boolean> {
  useAsking.getState().answer(false);
  return new Promise((resolve) => {
    useAsking.setState({
      doubt,
      answer(sure) {
        useAsking.setState({ doubt: null, answer: () => undefined });
        resolve(sure);
      },
    });
  });
}

export function Confirm() {
  const { doubt, answer } = useAsking();
  return (
    <Dialog
      open={doubt !== null}
      onClose={() => answer(false)}
      label={doubt?.title ?? ''}
      className="w-96! p-4"
    >
      <h2 className="text-base font-semibold">{doubt?.title}</h2>
      <p className="mt-1 text-muted">{doubt?.text}</p>
      <div className="mt-4 flex justify-end gap-2">
        <Button onClick={() => answer(false)}>Keep going</Button>
        <Button tone="danger" onClick={() => answer(true)}>
          {doubt?.deed}
        </Button>
      </div>
    </Dialog>
  );
}
