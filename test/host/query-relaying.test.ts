// Every query ends: with its reply, or with an answer that the host gives in the responder's place.
import { describe, expect, it } from 'vitest';
import { Flag } from '../../src/wire/frame.js';
import { type BenchPeer, RelayBench } from './relay-bench.js';

function responder(bench: RelayBench, name: string, pattern = 'q'): BenchPeer {
  const peer = bench.join(name);
  peer.open('responder', pattern, 1);
  return peer;
}

function answers(asker: BenchPeer): unknown[] {
  return asker.of('reply').map(({ ref, flags, data }) => {
    if (flags & Flag.error) return [ref, (data as { code: string }).code];
    return flags & Flag.all ? [ref, 'expect', data] : [ref, data];
  });
}

describe('a query', () => {
  it('goes to one responder and its reply back, once', () => {
    const bench = new RelayBench();
    const [asker, one] = [bench.join('a'), responder(bench, '1')];
    const id = asker.query('q');
    expect(one.of('query')).toMatchObject([{ sender: asker.name, sequence: id, data: 'question' }]);
    one.reply(asker, id, 'answer');
    one.reply(asker, id, 'again');
    expect(answers(asker)).toEqual([[id, 'answer']]);
  });

  it('goes to the responder with the fewest open ones, in turn', () => {
    const bench = new RelayBench();
    const [asker, one, two] = [bench.join('a'), responder(bench, '1'), responder(bench, '2')];
    for (let i = 0; i < 10; i += 1) asker.query('q');
    expect([one.of('query').length, two.of('query').length]).toEqual([5, 5]);
    for (const { sequence } of two.of('query')) two.reply(asker, sequence, 1);
    for (let i = 0; i < 5; i += 1) asker.query('q');
    expect([one.of('query').length, two.of('query').length]).toEqual([5, 10]);
  });

  it('to all is announced with the number of answers', () => {
    const bench = new RelayBench();
    const [asker, one, two] = [bench.join('a'), responder(bench, '1'), responder(bench, '2', '*')];
    const id = asker.query('q', { flags: Flag.all });
    one.reply(asker, id, 1);
    two.reply(asker, id, 2);
    expect(answers(asker)).toEqual([
      [id, 'expect', 2],
      [id, 1],
      [id, 2],
    ]);
  });

  it('for nobody is answered at once', () => {
    const bench = new RelayBench();
    const [asker, silent] = [bench.join('a'), bench.join('s')];
    asker.query('q');
    asker.query('q', { flags: Flag.all });
    asker.query('q', { to: silent.id });
    silent.crash();
    asker.query('q', { to: silent.id });
    asker.query('$no.such');
    expect(answers(asker)).toEqual([
      [1, 'MAILSLOT_NO_RESPONDER'],
      [2, 'expect', 0],
      [3, 'MAILSLOT_NO_RESPONDER'],
      [4, 'MAILSLOT_NO_SUCH_PEER'],
      [5, 'MAILSLOT_NO_RESPONDER'],
    ]);
  });

  it.each([
    ['dies', (peer: BenchPeer) => peer.crash()],
    ['says goodbye', (peer: BenchPeer) => peer.sayGoodbye()],
    ['closes its responder', (peer: BenchPeer) => peer.close(1)],
  ])('is answered by the host when its responder %s', (_, leave) => {
    const bench = new RelayBench();
    const [asker, one] = [bench.join('a'), responder(bench, '1')];
    const [first, second] = [asker.query('q'), asker.query('q')];
    one.reply(asker, first, 'in time');
    leave(one);
    expect(answers(asker)).toEqual([
      [first, 'in time'],
      [second, 'MAILSLOT_RESPONDER_LOST'],
    ]);
  });

  it('to two responders of one peer that dies gets two answers', () => {
    const bench = new RelayBench();
    const [asker, one] = [bench.join('a'), responder(bench, '1')];
    one.open('responder', '*', 2);
    const id = asker.query('q', { flags: Flag.all });
    expect(one.of('query')).toHaveLength(1);
    one.reply(asker, id, 'one of two');
    one.crash();
    expect(answers(asker)).toEqual([
      [id, 'expect', 2],
      [id, 'one of two'],
      [id, 'MAILSLOT_RESPONDER_LOST'],
    ]);
  });

  it('that is cancelled, or whose asker dies, is taken back from the responder', () => {
    const bench = new RelayBench();
    const [asker, one] = [bench.join('a'), responder(bench, '1')];
    const [first, second] = [asker.query('q'), asker.query('q')];
    asker.cancel(first);
    expect(one.of('cancel').map(({ ref }) => ref)).toEqual([first]);
    one.reply(asker, first, 'too late');
    asker.crash();
    expect(one.of('cancel').map(({ ref }) => ref)).toEqual([first, second]);
    expect(asker.of('reply')).toEqual([]);
  });

  it('cannot be answered by somebody who was not asked', () => {
    const bench = new RelayBench();
    const [asker, , stranger] = [bench.join('a'), responder(bench, '1'), bench.join('s')];
    const id = asker.query('q');
    stranger.reply(asker, id, 'forged');
    expect(answers(asker)).toEqual([]);
  });

  it('too many at once are refused, the others go on', () => {
    const bench = new RelayBench();
    const [asker, one] = [bench.join('a'), responder(bench, '1')];
    for (let i = 0; i < 16_385; i += 1) asker.query('q');
    expect(answers(asker)).toEqual([[16_385, 'MAILSLOT_QUOTA_EXCEEDED']]);
    one.reply(asker, 1, 'answer');
    asker.query('q');
    expect(answers(asker)).toHaveLength(2);
    expect(one.of('query')).toHaveLength(16_385);
  });
});

describe('presence', () => {
  it('is a query to the host', () => {
    const bench = new RelayBench();
    const [asker, other] = [bench.join('a', 'x', '$presence.*'), responder(bench, '1')];
    asker.query('$peers');
    expect(asker.of('reply')[0]!.data).toMatchObject([
      { id: asker.name, label: 'bench', slots: 1, responders: 0, hosting: false },
      { id: other.name, slots: 0, responders: 1 },
    ]);
  });

  it.each([
    ['closed', (peer: BenchPeer) => peer.sayGoodbye()],
    ['crashed', (peer: BenchPeer) => peer.crash()],
    ['refused', (peer: BenchPeer) => peer.send(Buffer.from('nonsense'))],
  ])('tells that a peer left: %s', (cause, leave) => {
    const bench = new RelayBench();
    const [watcher, peer] = [bench.join('w', '$presence.*'), bench.join('p')];
    leave(peer);
    const told = watcher.of('publish').map(({ subject, data }) => [subject, (data as { id: string }).id]);
    expect(told).toEqual([
      ['$presence.joined', watcher.name],
      ['$presence.joined', peer.name],
      ['$presence.left', peer.name],
    ]);
    expect(watcher.of('publish').at(-1)!.data).toMatchObject({ cause });
  });
});
