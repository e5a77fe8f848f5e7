// A simulated process: one Bus and what it does to reach a host, or to become one. `reach` follows the steps of
// open-bus.ts and find-host.ts; dialling costs time and may fail, and a held host answers nobody.

import { MailslotError } from '../../src/errors.js';
import { MAX_TIMEOUT, RECONNECT_TIMEOUT } from '../../src/limits.js';
import type { OpenBus } from '../../src/peer/bus.js';
import type { Link } from '../../src/transport/link.js';
import { Patience } from '../../src/transport/patience.js';
import { wait } from '../../src/util/clock.js';
import { readControl } from '../../src/wire/control.js';
import { Kind } from '../../src/wire/frame.js';
import { PEER_ID_BYTES, type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { Rank } from './agenda.js';
import { FirstFrames } from './first-frames.js';
import { type Caller, SimHost } from './sim-host.js';
import type { SimPipe } from './sim-pipe.js';
import { Thread } from './thread.js';
import type { World } from './world.js';

type ReachContext = Parameters<ConstructorParameters<typeof OpenBus>[0]['reach']>[0];

export class SimProcess {
  readonly name: string;
  readonly pid: number;
  readonly peerId: PeerId;
  readonly thread: Thread;
  readonly bus: OpenBus;
  readonly mayHost: boolean;
  /** Whether it closes its Bus. */
  isLeaving = false;
  /** Whether it was on the bus at any time. */
  wasOpen = false;
  readonly #world: World;
  /** By rising order: from which order on messages are of which epoch. */
  readonly #opens: { epoch: number; order: number }[] = [];
  #host: SimHost | undefined;
  #exhaustedUntil = 0;
  readonly #pipes = new Set<SimPipe>();

  constructor(world: World, pid: number, options: { mayHost: boolean; windowBytes: number }) {
    const { dice, agenda, subject } = world;
    this.#world = world;
    this.name = `p${pid}`;
    this.pid = pid;
    this.peerId = peerIdAt(dice.bytes(PEER_ID_BYTES), 0);
    this.thread = new Thread(agenda, dice, world.wall);
    this.mayHost = options.mayHost;
    this.bus = new subject.OpenBus({
      name: 'sim',
      directory: '/sim',
      clock: this.thread.clock,
      peerId: this.peerId,
      label: this.name,
      pid,
      pidNamespace: 'sim',
      mayHost: options.mayHost,
      windowBytes: options.windowBytes,
      maxMessageBytes: 1 << 20,
      files: world.directory.filesOf(this.peerId.hex, () => world.missesFile(this)),
      // nobody gives up: a machine may sleep in the meantime
      openTimeout: MAX_TIMEOUT,
      reconnectTimeout: RECONNECT_TIMEOUT,
      signal: undefined,
      reach: (context) => this.#reach(context),
      hostedEpoch: () => (this.#host?.isOver ? undefined : this.#host?.epoch),
      closeHost: async () => this.#host?.close(),
      // peers learn of a successor by their link only, which is the harder way
      watchSuccession: () => ({ close() {} }),
      onStandby() {},
    });
  }

  get alive(): boolean {
    return this.thread.alive;
  }

  get host(): SimHost | undefined {
    return this.#host?.isOver ? undefined : this.#host;
  }

  /** The epoch in which a message of this order came here. */
  epochOf(order: number): number | undefined {
    for (let at = this.#opens.length - 1; at >= 0; at -= 1)
      if (this.#opens[at]!.order < order) return this.#opens[at]!.epoch;
    return undefined;
  }

  /** SIGKILL: this very moment, host and all. */
  kill(): void {
    this.thread.kill();
    for (const pipe of this.#pipes) pipe.kill();
    this.#host?.kill();
  }

  /** SIGSTOP, and SIGCONT after so long. */
  suspend(duration: number): void {
    this.thread.hold(duration);
    this.#host?.thread.hold(duration);
  }

  /** It has no descriptor left for so long: what is open stays usable. */
  exhaust(duration: number): void {
    this.#exhaustedUntil = this.#world.agenda.now + duration;
  }

  get isExhausted(): boolean {
    return this.#world.agenda.now < this.#exhaustedUntil;
  }

  /** Its link is cut, and nothing else. */
  cut(): void {
    for (const pipe of this.#pipes) pipe.destroy(new Error('the link was cut'));
  }

  async #reach({ lastEpoch, suspicion, signal, onFailure }: ReachContext): Promise<Link> {
    const { dice, directory } = this.#world;
    const { clock } = this.thread;
    const patience = new Patience(clock, suspicion);
    for (;;) {
      signal.throwIfAborted();
      this.#openFile(lastEpoch);
      const { epoch, host } = directory;
      const startedAt = clock.now();
      const outcome = await this.#dial(patience.left(epoch));
      if (outcome !== 'dead' && outcome !== 'unknown') return outcome;
      onFailure(new Error(`the host of epoch ${epoch} is ${outcome}`));
      const isHung = outcome === 'unknown' && patience.isOver(epoch, startedAt);
      if (!this.mayHost || (outcome === 'unknown' && !isHung)) await wait(clock, dice.delay(0, 50), signal);
      else await this.#stand(epoch, { lastEpoch, hung: isHung ? host?.process.pid : undefined });
    }
  }

  /** Reads the pointer, or listens; newcomers, whom that would end, are spared. */
  #openFile(lastEpoch: number): void {
    if (this.isExhausted && lastEpoch > 0) throw new MailslotError('MAILSLOT_UNREACHABLE', 'EMFILE');
  }

  async #stand(dead: number, before: { lastEpoch: number; hung: number | undefined }): Promise<void> {
    const { dice, directory } = this.#world;
    // a worker thread starts
    await wait(this.thread.clock, dice.delay(1, 40));
    this.#openFile(before.lastEpoch);
    const host = new SimHost(this.#world, this);
    if (directory.epoch === dead && host.serve(dead, before)) this.#host = host;
  }

  async #dial(timeout: number): Promise<Link | 'dead' | 'unknown'> {
    const { dice, directory, weather } = this.#world;
    await wait(this.thread.clock, dice.delay(0.05, weather.delay));
    const { host } = directory;
    if (!host?.isThere) return 'dead';
    if (this.isExhausted) return 'unknown';
    if (dice.chance(weather.refusals)) {
      this.#world.count('refused dial');
      return 'unknown';
    }
    return new Promise((resolve) => {
      const caller = this.#callerOf(host, (outcome) => {
        timer.cancel();
        resolve(outcome);
      });
      const timer = this.thread.clock.setTimer(timeout, () => {
        host.forget(caller);
        resolve('unknown');
      });
      host.take(caller);
    });
  }

  #callerOf(host: SimHost, done: (outcome: Link | 'unknown') => void): Caller {
    const frames = new FirstFrames(Kind.open, (bytes, size) => {
      this.wasOpen = true;
      this.#opens.push({ epoch: host.epoch, order: readControl('OPEN', bytes, 0, size).order });
    });
    return {
      thread: this.thread,
      peerId: this.peerId,
      sniff: (bytes) => frames.take(bytes),
      answer: (pipe) => {
        for (const other of this.#pipes) if (other.gone) this.#pipes.delete(other);
        if (pipe !== undefined) this.#pipes.add(pipe);
        const link = pipe && { pipe, peerId: host.hostId.bytes, epoch: host.epoch };
        this.thread.post(0, Rank.io, () => done(link ?? 'unknown'));
      },
    };
  }
}
