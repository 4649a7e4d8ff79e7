import { memo, useMemo, useState } from 'react';
import { blocksOf, createBlockSplitter, renderBlock } from './markdown';

const ProseBlock = memo(function ProseBlock({ source }: { source: string }) {
  // The only place HTML enters the page; `renderBlock` sanitises.
  // oxlint-disable-next-line react/no-danger
  return <div className="md-block" dangerouslySetInnerHTML={{ __html: renderBlock(source) }} />;
});

function Blocks({ blocks, className }: { blocks: string[]; className: string }) {
  return (
    <div className={`prose ${className}`}>
      {blocks.map((source, index) => (
        // Blocks are only ever appended or changed in place.
        // oxlint-disable-next-line react/no-array-index-key
        <ProseBlock key={index} source={source} />
      ))}
    </div>
  );
}

/** Markdown that is complete. */
export function Prose({ text, className = '' }: { text: string; className?: string }) {
  const blocks = useMemo(() => blocksOf(text), [text]);
  return <Blocks blocks={blocks} className={className} />;
}

/** Markdown that is still being written; only its last block is parsed again. */
export function GrowingProse({ text }: { text: string }) {
  const [split] = useState(createBlockSplitter);
  return <Blocks blocks={split(text)} className="caret" />;
}
