// What was found out about subjects seen lately, looked up by their bytes as they lie in a frame, so that no string
// is made for a subject that is known. It does not notice when an answer becomes stale: call clear().
//
// Two generations, each a table of chains. New answers go into the young one; when that is full it becomes the old
// one, and the old one is forgotten. A hit in the old one moves the answer back into the young one.
import { MAX_SUBJECT_BYTES, ROUTE_CACHE_SUBJECTS } from '../limits.js';
import { latin1 } from './primitives.js';

/** Chains are cut at this length: who finds colliding subjects makes them be forgotten, not searched. */
const LONGEST_CHAIN = 8;
const FIRST_BUCKETS = 256;

export interface SubjectCacheOptions {
  /** Most subjects remembered. @default ROUTE_CACHE_SUBJECTS */
  capacity?: number;
  /** Whole number that makes the hash one's own; without it collisions can be prepared. @default 0 */
  seed?: number;
}

/** The subject being looked up, four bytes a word: comparing and hashing words costs a quarter of bytes. */
const words = new Int32Array((MAX_SUBJECT_BYTES + 3) >> 2);

interface Answer<T> {
  readonly length: number;
  readonly words: Int32Array;
  readonly hash: number;
  readonly value: T;
  next: Answer<T> | undefined;
}

export class SubjectCache<T> {
  readonly #resolve: (subject: string) => T;
  readonly #generationSize: number;
  readonly #seed: number;
  #young = new Generation<T>();
  #old = new Generation<T>();
  #last: Answer<T> | undefined;

  constructor(
    resolve: (subject: string) => T,
    { capacity = ROUTE_CACHE_SUBJECTS, seed = 0 }: SubjectCacheOptions = {},
  ) {
    this.#resolve = resolve;
    this.#generationSize = Math.max(1, capacity >>> 1);
    this.#seed = seed;
  }

  /**
   * The answer for the subject of `length` ASCII bytes at `start`, remembered or from `resolve`.
   * `length` is at most MAX_SUBJECT_BYTES, as checkFrame sees to.
   */
  lookup(bytes: Uint8Array, start: number, length: number): T {
    const last = this.#last;
    const count = packWords(bytes, start, length);
    if (last !== undefined && last.length === length && isPacked(last.words)) return last.value;
    const hash = hashWords(count, this.#seed ^ length);
    const answer = this.#young.find(hash, length) ?? this.#recall(hash, bytes, start, length);
    this.#last = answer;
    return answer.value;
  }

  /** Forgets everything. */
  clear(): void {
    this.#young = new Generation<T>();
    this.#old = new Generation<T>();
    this.#last = undefined;
  }

  #recall(hash: number, bytes: Uint8Array, start: number, length: number): Answer<T> {
    const old = this.#old.find(hash, length);
    // before resolve, which may look up another subject
    const key = old?.words ?? words.slice(0, (length + 3) >> 2);
    const value = old === undefined ? this.#resolve(latin1(bytes, start, start + length)) : old.value;
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Generation<T>();
    }
    return this.#young.add({ length, words: key, hash, value, next: undefined });
  }
}

class Generation<T> {
  #buckets = new Array<Answer<T> | undefined>(FIRST_BUCKETS).fill(undefined);
  size = 0;

  /** The answer for the packed subject. */
  find(hash: number, length: number): Answer<T> | undefined {
    let answer = this.#buckets[hash & (this.#buckets.length - 1)];
    while (answer !== undefined) {
      if (answer.hash === hash && answer.length === length && isPacked(answer.words)) return answer;
      answer = answer.next;
    }
    return undefined;
  }

  add(answer: Answer<T>): Answer<T> {
    if (this.size >= this.#buckets.length) this.#grow();
    this.#link(answer);
    this.size += 1;
    return answer;
  }

  #link(answer: Answer<T>): void {
    const index = answer.hash & (this.#buckets.length - 1);
    answer.next = this.#buckets[index];
    this.#buckets[index] = answer;
    let tail: Answer<T> | undefined = answer;
    for (let i = 1; i < LONGEST_CHAIN && tail !== undefined; i += 1) tail = tail.next;
    if (tail?.next === undefined) return;
    tail.next = undefined;
    this.size -= 1;
  }

  #grow(): void {
    const chains = this.#buckets;
    this.#buckets = new Array<Answer<T> | undefined>(2 * chains.length).fill(undefined);
    for (const chain of chains) {
      for (let answer = chain; answer !== undefined; ) {
        const following: Answer<T> | undefined = answer.next;
        this.#link(answer);
        answer = following;
      }
    }
  }
}

/** Fills {@link words}, the last one with zeros, and returns how many they are. */
function packWords(bytes: Uint8Array, start: number, length: number): number {
  const whole = length >> 2;
  let at = start;
  for (let i = 0; i < whole; i += 1, at += 4) {
    words[i] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }
  if ((length & 3) === 0) return whole;
  let rest = 0;
  for (let end = start + length - 1; end >= at; end -= 1) rest = (rest << 8) | bytes[end]!;
  words[whole] = rest;
  return whole + 1;
}

function isPacked(key: Int32Array): boolean {
  for (let i = 0; i < key.length; i += 1) if (key[i] !== words[i]) return false;
  return true;
}

/** Each step is one-to-one in the state: a seeded relative of MurmurHash3. */
function hashWords(count: number, seed: number): number {
  let hash = seed | 0;
  for (let i = 0; i < count; i += 1) {
    hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
