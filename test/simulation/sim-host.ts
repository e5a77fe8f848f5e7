// A simulated host: the real relay behind the real gate, in a thread of a simulated process. What host.ts does with
// files and sockets is done here with what stands in for them.
import type { Gate } from '../../src/host/gate.js';
import type { Relay } from '../../src/host/relay.js';
import { HOST_QUERY_GRACE, HOST_SETTLE_GRACE } from '../../src/limits.js';
import { PEER_ID_BYTES, type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { Rank } from './agenda.js';
import { type SimPipe, simPipePair } from './sim-pipe.js';
import type { SimProcess } from './sim-process.js';
import { Thread } from './thread.js';
import type { World } from './world.js';

/**
 * What a host may wait for those who are not back, ms: whoever comes later has only itself to blame. A little less than the
 * gate's own, since sums of times are rounded.
 */
const PATIENCE_OF_GATES = 1_999;

/** Who dials, and what comes of it. */
export interface Caller {
  thread: Thread;
  peerId: PeerId;
  /** Sees what the caller's end of the pipe is given. */
  sniff(bytes: Buffer): void;
  /** Called at once; undefined: cut off in the middle. */
  answer(pipe: SimPipe | undefined): void;
}

export class SimHost {
  readonly process: SimProcess;
  readonly thread: Thread;
  readonly hostId: PeerId;
  readonly #world: World;
  readonly #pipes = new Set<SimPipe>();
  readonly #callers = new Set<Caller>();
  #relay: Relay | undefined;
  #gate: Gate | undefined;
  #epoch = 0;
  #state: 'standing' | 'serving' | 'over' = 'standing';

  constructor(world: World, process: SimProcess) {
    this.#world = world;
    this.process = process;
    this.thread = new Thread(world.agenda, world.dice, world.wall);
    this.hostId = peerIdAt(world.dice.bytes(PEER_ID_BYTES), 0);
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Whether somebody listens on its endpoint, awake or not. */
  get isThere(): boolean {
    return this.thread.alive && this.#state === 'serving';
  }

  get isOver(): boolean {
    return !this.thread.alive || this.#state === 'over';
  }

  /** Stands for the epoch after `dead`; false when somebody else won. */
  serve(dead: number, { lastEpoch, hung }: { lastEpoch: number; hung: number | undefined }): boolean {
    const { directory, subject } = this.#world;
    const overtaken = directory.host;
    if (!directory.win(dead, this)) return false;
    this.#epoch = directory.epoch;
    // the one before, should it live, finds out by its watch of the folder
    overtaken?.overtaken();
    const { clock } = this.thread;
    const startedAt = clock.now();
    this.#gate = new subject.Gate({
      clock,
      last: directory.lastRoster(this.#epoch),
      lastEpoch,
      hung,
      roster: directory.addRoster(this.#epoch, {
        canOpen: () => !this.process.isExhausted,
        onLeft: (id) => this.#world.lostLink(id),
      }),
      isGone: (pid) => this.#world.isGone(pid),
      onOpen: (previous) => {
        if (hung !== undefined || clock.now() - startedAt >= PATIENCE_OF_GATES)
          this.#world.excuseAbsent(this.#epoch);
        this.#relay?.openGate(previous);
      },
    });
    const ownerId = this.process.peerId;
    this.#relay = new subject.Relay({
      clock,
      epoch: this.#epoch,
      hostId: this.hostId,
      ownerId,
      gate: this.#gate,
    });
    this.thread.onWake(() => this.checkFence());
    this.#state = 'serving';
    this.#world.note({ op: 'hosting', process: this.process.name, epoch: this.#epoch });
    this.#gate.start();
    return true;
  }

  /** Somebody else has a higher epoch: this one finds out by its watch of the folder, when it is awake. */
  overtaken(): void {
    if (this.isOver) return;
    this.#noteEnd();
    this.thread.post(this.#world.dice.delay(0, 2), Rank.deferred, () => this.checkFence());
  }

  /** Ends its reign if somebody has a higher epoch. */
  checkFence(): void {
    if (this.#state !== 'serving' || this.#world.directory.epoch === this.#epoch) return;
    this.#end();
    this.#relay?.destroy();
  }

  /** Somebody dials; the handshake is done when this thread has its turn. */
  take(caller: Caller): void {
    const { dice, weather } = this.#world;
    this.#callers.add(caller);
    this.thread.post(dice.delay(0.05, weather.delay), Rank.io, () => {
      if (!this.#callers.delete(caller) || !caller.thread.alive) return;
      // without a descriptor the system's event loop accepts and closes
      const isAccepted = this.isThere && !this.process.isExhausted;
      caller.answer(isAccepted ? this.#accept(caller) : undefined);
    });
  }

  /** The caller has no more patience. */
  forget(caller: Caller): void {
    this.#callers.delete(caller);
  }

  #accept({ thread, peerId, sniff }: Caller): SimPipe {
    const [theirs, own] = simPipePair(this.#world, [
      { thread, sniff },
      { thread: this.thread, sniff() {} },
    ]);
    for (const pipe of this.#pipes) if (pipe.gone) this.#pipes.delete(pipe);
    this.#pipes.add(own);
    this.#relay!.admit(own, peerId);
    return theirs;
  }

  /** Hands over, as a host does that closes. */
  async close(): Promise<void> {
    if (this.#state !== 'serving') return;
    await this.#relay!.whenQueriesEnd(HOST_QUERY_GRACE);
    if (this.#state !== 'serving') return;
    await this.#relay!.whenSettled(HOST_SETTLE_GRACE);
    if (this.#state !== 'serving') return;
    this.#end();
    this.#noteEnd();
    await this.#relay!.close('closed', 'the host was closed');
  }

  kill(): void {
    this.thread.kill();
    this.#end();
    for (const pipe of this.#pipes) pipe.kill();
  }

  #noteEnd(): void {
    this.#world.note({ op: 'hosted', process: this.process.name, epoch: this.#epoch });
  }

  #end(): void {
    this.#state = 'over';
    const cutOff = [...this.#callers];
    this.#callers.clear();
    for (const { answer } of cutOff) answer(undefined);
  }
}
