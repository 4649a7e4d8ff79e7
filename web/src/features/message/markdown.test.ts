import { describe, expect, it } from 'vitest';
import { blocksOf, createBlockSplitter, renderBlock } from './markdown';

/** What an agent, or a repository it read, may put into a message. */
const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '![x](x" onerror="alert(1))',
  '![track](https://evil.example/pixel.png)',
  '[click](javascript:alert(1))',
  '[click](JaVaScRiPt:alert(1))',
  '[click](java\nscript:alert(1))',
  '[click](&#106;avascript:alert(1))',
  '[click](data:text/html;base64,PHNjcmlwdD4=)',
  '[click](vbscript:x)',
  '[click](//evil.example)',
  '[click](/api/v1/shutdown)',
  '<a href="javascript:alert(1)">x</a>',
  '<svg><script>alert(1)</script></svg>',
  '<svg/onload=alert(1)>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '<iframe src="https://evil.example"></iframe>',
  '<form action="https://evil.example"><input name=token></form>',
  '<style>body{display:none}</style>',
  '<link rel=stylesheet href=https://evil.example/x.css>',
  '<meta http-equiv=refresh content="0;url=https://evil.example">',
  '<base href="https://evil.example/">',
  '<div style="position:fixed;inset:0">over everything</div>',
  '<p id="root">clobber</p><form name="getElementById">',
  '<div class="fixed inset-0 z-50">look like the page</div>',
  '```html"><script>alert(1)</script>\ncode\n```',
  '```js class="x" onmouseover="alert(1)\ncode\n```',
  '`<img src=x onerror=alert(1)>`',
  '| <img src=x onerror=alert(1)> |\n|---|\n| <script>1</script> |',
  '# <img src=x onerror=alert(1)>',
  '- [ ] <svg onload=alert(1)>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<object data="x"></object><embed src="x"><video src=x onerror=alert(1)><audio src=x onerror=alert(1)>',
  '<template><script>alert(1)</script></template>',
  '<x onclick=alert(1)>x</x>',
];

const ALLOWED = new Set(
  'A BLOCKQUOTE BR CODE DEL DIV EM HR LI OL P PRE SPAN STRONG TABLE TBODY TD TH THEAD TR UL'.split(' '),
);

function rendered(source: string): HTMLElement {
  const place = document.createElement('div');
  place.innerHTML = blocksOf(source).map(renderBlock).join('');
  return place;
}

describe('hostile markdown', () => {
  it.each(HOSTILE)('%s', (source) => {
    for (const element of rendered(source).querySelectorAll('*')) {
      expect(ALLOWED.has(element.tagName)).toBe(true);
      for (const { name, value } of element.attributes) {
        expect(['href', 'title', 'class', 'target', 'rel', 'start', 'align']).toContain(name);
        if (name === 'href') expect(value).toMatch(/^(https?:|mailto:)/);
        if (name === 'class') expect(value).toMatch(/^(md-|language-)/);
      }
    }
  });

  it('is shown as the text it is', () => {
    expect(rendered('<script>alert(1)</script>').textContent).toContain('<script>alert(1)</script>');
    expect(rendered('![a picture](https://x.example/y.png)').textContent).toContain('[image: a picture]');
  });

  it('takes links out of the page without telling where they came from', () => {
    const link = rendered('[docs](https://example.org)').querySelector('a');
    expect(link?.rel).toBe('noopener noreferrer nofollow');
    expect(link?.target).toBe('_blank');
  });
});

describe('markdown', () => {
  it('keeps what reads well', () => {
    const place = rendered(
      '**bold** `code`\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn x() {}\n```',
    );
    for (const tag of ['strong', 'code', 'li', 'td', 'pre code.language-rust'])
      expect(place.querySelector(tag)).not.toBeNull();
  });

  it('makes no headings of the page out of headings of a message', () => {
    const place = rendered('# Big');
    expect(place.querySelector('h1')).toBeNull();
    expect(place.querySelector('.md-h.md-h1')?.textContent).toBe('Big');
  });

  const TEXT =
    'A *paragraph*.\n\n- a list\n- of two\n\n  with more\n\n```js\nlet x = 1;\n\nlet y;\n```\n\n> quote\n\n| a |\n|---|\n| b |\n\nThe end.';

  it('cuts into blocks that join to the text again', () => {
    expect(blocksOf(TEXT).join('')).toBe(TEXT);
  });

  it('cuts a growing text as it would cut the whole', () => {
    const split = createBlockSplitter();
    for (let length = 1; length <= TEXT.length; length += 1) split(TEXT.slice(0, length));
    expect(split(TEXT).join('')).toBe(TEXT);
    expect(split(TEXT).map(renderBlock).join('')).toBe(blocksOf(TEXT).map(renderBlock).join(''));
  });

  it('starts over when the text is another one', () => {
    const split = createBlockSplitter();
    split('One.\n\nTwo.');
    expect(split('Other.')).toEqual(['Other.']);
  });
});
