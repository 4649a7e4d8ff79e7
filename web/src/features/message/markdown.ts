/**
 * Untrusted markdown to safe HTML, block by block. Invariant: no text an agent or a repository wrote
 * reaches the page as HTML except through `sanitize`.
 */
import DOMPurify from 'dompurify';
import { Marked } from 'marked';

/** Rendered blocks kept, by their source. */
const CACHE_MAX = 2000;

const TAGS = [
  'a',
  'blockquote',
  'br',
  'code',
  'del',
  'div',
  'em',
  'hr',
  'li',
  'ol',
  'p',
  'pre',
  'span',
  'strong',
  'table',
  'tbody',
  'td',
  'th',
  'thead',
  'tr',
  'ul',
];

const purifier = DOMPurify(window);

// Only our own classes survive, and links leave the page without telling where they came from.
purifier.addHook('uponSanitizeAttribute', (_node, data) => {
  if (data.attrName === 'class')
    data.keepAttr = /^(md-[a-z0-9]+|language-[\w+#-]+)( md-[a-z0-9]+)*$/.test(data.attrValue);
});
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A' && node.hasAttribute('href')) {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  }
});

/** Safe HTML: a TrustedHTML where the browser has such a thing, a string elsewhere. */
export function sanitize(html: string): string {
  return purifier.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ['href', 'title', 'class', 'start', 'align'],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_TRUSTED_TYPE: true,
  }) as unknown as string;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    // An agent's headings are emphasis; the page's outline is ours.
    heading({ tokens, depth }) {
      return `<div class="md-h md-h${depth}">${this.parser.parseInline(tokens)}</div>`;
    },
    // Without the newline marked adds, which would put the caret on a line of its own.
    code({ text, lang }) {
      const language = /^[\w+#-]+/.exec(lang ?? '')?.[0];
      return `<pre><code${language ? ` class="language-${language}"` : ''}>${escape(text)}</code></pre>`;
    },
    // Nothing is fetched because an agent mentioned it.
    image({ text, href }) {
      return `<span>[image: ${escape(text || href)}]</span>`;
    },
    // Raw HTML is shown as the text it is.
    html({ text }) {
      return escape(text);
    },
    checkbox({ checked }) {
      return checked ? '☑ ' : '☐ ';
    },
  },
});

/** Cuts markdown into top-level blocks whose sources, joined, are the text again. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  for (const token of marked.lexer(text)) {
    if (token.type === 'space' && blocks.length > 0) blocks[blocks.length - 1] += token.raw;
    else blocks.push(token.raw);
  }
  return blocks;
}

/** Cuts text that only grows: what is before the last block is not looked at again. */
export function createBlockSplitter(): (text: string) => string[] {
  let done: string[] = [];
  let doneLength = 0;
  let last = '';
  return (text) => {
    if (!text.startsWith(last)) {
      done = [];
      doneLength = 0;
    }
    last = text;
    const open = blocksOf(text.slice(doneLength));
    // The last block may still change; the ones before it cannot.
    const settled = open.slice(0, -1);
    done = [...done, ...settled];
    doneLength += settled.reduce((length, block) => length + block.length, 0);
    return [...done, ...open.slice(-1)];
  };
}

const cache = new Map<string, string>();

export function renderBlock(source: string): string {
  const known = cache.get(source);
  if (known !== undefined) return known;
  const html = sanitize(marked.parse(source, { async: false }));
  if (cache.size >= CACHE_MAX) {
    const eldest = cache.keys().next();
    if (!eldest.done) cache.delete(eldest.value);
  }
  cache.set(source, html);
  return html;
}
