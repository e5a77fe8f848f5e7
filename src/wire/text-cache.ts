// Short texts that were read lately, found by their bytes: keys and words repeat from message to message, and
// finding a string costs a fifth of making it. Each place holds the text that came last.

/** Longer texts are not looked for. */
const LONGEST = 24;
const PLACES = 512;

export class TextCache {
  readonly #texts: string[] = new Array<string>(PLACES).fill('');
  #place = 0;

  /** The text of these bytes, if it is here and ASCII. */
  lookup(bytes: Uint8Array, at: number, length: number): string | undefined {
    if (length === 0) return '';
    if (length > LONGEST) return undefined;
    const middle = bytes[at + (length >> 1)]!;
    this.#place = (length + bytes[at]! * 31 + middle * 7 + bytes[at + length - 1]! * 131) & (PLACES - 1);
    const text = this.#texts[this.#place]!;
    if (text.length !== length) return undefined;
    for (let i = 0; i < length; i += 1) if (text.charCodeAt(i) !== bytes[at + i]) return undefined;
    return text;
  }

  /** Keeps the text that the lookup just before did not find, and returns it. */
  remember(text: string, byteLength: number): string {
    // as many characters as bytes: ASCII, so that comparing the two one by one is right
    if (byteLength <= LONGEST && text.length === byteLength) this.#texts[this.#place] = text;
    return text;
  }
}
