// A crew: processes on one bus that publish, read and host, and what has become known of each. Whatever is done to them is
// up to the parts that use it; verdict.ts judges them.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inTime } from './part.js';

const program = fileURLToPath(new URL('./member.mjs', import.meta.url));

/** What a member does. */
export interface Task {
  label: string;
  host: 'auto' | 'never';
  /** Numbers from 1 on, each awaited; `bytes` are added to each on average, `confirmEvery` 0 asks for no receipt. */
  publish?: { subject: string; bytes: number; confirmEvery: number };
  slot?: {
    pattern: string;
    isSlow?: boolean;
    options: { overflow?: 'wait' | 'drop-oldest'; capacity?: number };
  };
  /** Whether its event loop stands still for 300 ms now and then. */
  blocks?: boolean;
}

export interface Figures {
  published: number;
  /** The highest number with a receipt. */
  confirmed: number;
  reads: number;
  /** Messages that came again and were dropped. */
  duplicates: number;
  doubled: number;
  late: number;
  disordered: number;
}

/** What a slot's ledger holds at the end. */
export interface Account {
  reads: number;
  announced: number;
  unknownGaps: number;
  holes: number;
  leeway: number;
  senders: { sender: string; first: number; next: number; isDue: boolean; isExcused: boolean }[];
}

type Report = { at: number } & (
  | { what: 'ready'; id: string; epoch: number; hosting: boolean }
  | { what: 'connected'; epoch: number; hosting: boolean }
  | { what: 'disconnected'; epoch: number; cause?: string }
  | { what: 'flows'; epoch: number }
  | { what: 'gap'; epoch: number; lag: number }
  | { what: 'unread'; missed: number; reason: string }
  | { what: 'fault'; fault: string }
  | { what: 'status'; figures: Figures; samples: [string, number, number][]; faults: string[] }
  | { what: 'finished'; total: number }
  | { what: 'account'; account: Account }
);

/** Times are ms on the machine's monotonic clock, which all its processes share. */
export const machineTime = (): number => Number(process.hrtime.bigint()) / 1e6;

const NO_FIGURES: Figures = {
  published: 0,
  confirmed: 0,
  reads: 0,
  duplicates: 0,
  doubled: 0,
  late: 0,
  disordered: 0,
};

export class Member {
  readonly task: Task;
  readonly process: ChildProcess;
  /** Its peer id, once it is on the bus. */
  id: string | undefined;
  readyAt = Number.POSITIVE_INFINITY;
  /** When it was told to publish. */
  startedAt = Number.POSITIVE_INFINITY;
  endedAt: number | undefined;
  figures = NO_FIGURES;
  readonly connections: { epoch: number; hosting: boolean; at: number }[] = [];
  readonly disconnections: { epoch: number; at: number; cause?: string }[] = [];
  readonly gaps: { epoch: number; lag: number; at: number }[] = [];
  /** Messages that came and could not be read. */
  readonly unread: { missed: number; reason: string; at: number }[] = [];
  /** When the first message of an epoch came. */
  readonly flows: { epoch: number; at: number }[] = [];
  readonly samples: [sender: string, sequence: number, order: number][] = [];
  /** While it was suspended. */
  readonly naps: { from: number; to: number }[] = [];
  total: number | undefined;
  account: Account | undefined;
  readonly #onFault: (fault: string) => void;

  constructor(directory: string, task: Task, onFault: (fault: string) => void) {
    this.task = task;
    this.#onFault = (fault) => onFault(`${task.label} (${this.id}): ${fault}`);
    this.process = fork(program, [JSON.stringify({ directory, ...task })], { execArgv: [] });
    this.process.on('message', (report) => this.#note(report as Report));
    this.process.once('exit', (code, signal) => {
      if (this.endedAt === undefined) this.#onFault(`ended by itself with ${code ?? signal}`);
      this.endedAt ??= machineTime();
    });
  }

  get lives(): boolean {
    return this.endedAt === undefined;
  }

  /** The epoch it is on; 0 when it is on none. */
  get epoch(): number {
    const [connection, disconnection] = [this.connections.at(-1), this.disconnections.at(-1)];
    return connection === undefined || (disconnection?.at ?? 0) > connection.at ? 0 : connection.epoch;
  }

  get isSuspended(): boolean {
    return this.naps.at(-1)?.to === Number.POSITIVE_INFINITY;
  }

  async ready(): Promise<this> {
    await until(() => this.id !== undefined || !this.lives, `${this.task.label} on the bus`);
    if (this.id === undefined) throw new Error(`${this.task.label} ended before it was on the bus`);
    return this;
  }

  publish(): void {
    if (this.task.publish === undefined) return;
    this.startedAt = machineTime();
    this.#send('go');
  }

  async finish(): Promise<void> {
    this.#send('finish');
    await until(() => this.total !== undefined, `the last receipt of ${this.task.label}`);
  }

  async tellAccount(): Promise<void> {
    this.#send('account');
    await until(() => this.account !== undefined, `the account of ${this.task.label}`);
  }

  /** kill -9 */
  async kill(): Promise<void> {
    if (!this.lives) return;
    this.endedAt = machineTime();
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  suspend(): void {
    this.naps.push({ from: machineTime(), to: Number.POSITIVE_INFINITY });
    this.process.kill('SIGSTOP');
  }

  resume(): void {
    if (!this.isSuspended) return;
    this.naps.at(-1)!.to = machineTime();
    this.process.kill('SIGCONT');
  }

  #send(order: string): void {
    if (this.lives) this.process.send(order);
  }

  #note(report: Report): void {
    switch (report.what) {
      case 'ready':
        this.id = report.id;
        this.readyAt = report.at;
        if (this.connections.length === 0) this.connections.push(report);
        return;
      case 'connected':
        this.connections.push(report);
        return;
      case 'disconnected':
        this.disconnections.push(report);
        return;
      case 'gap':
        this.gaps.push(report);
        return;
      case 'unread':
        this.unread.push(report);
        return;
      case 'flows':
        this.flows.push(report);
        return;
      case 'fault':
        return this.#onFault(report.fault);
      case 'status':
        this.figures = report.figures;
        this.samples.push(...report.samples);
        for (const fault of report.faults) this.#onFault(fault);
        return;
      case 'finished':
        this.total = report.total;
        return;
      case 'account':
        this.account = report.account;
    }
  }
}

/** Everybody who was ever on one bus. */
export class Crew {
  readonly members: Member[] = [];
  readonly faults: string[] = [];
  /** When each epoch's pointer was made, as far as anybody looked for it. */
  readonly pointers = new Map<number, number>();
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get living(): Member[] {
    return this.members.filter(({ lives }) => lives);
  }

  /** Starts a process; it is on the bus when `ready()` resolves. */
  add(task: Task): Member {
    const member = new Member(this.#directory, task, (fault) => this.#note(fault));
    this.members.push(member);
    return member;
  }

  /** The present host's pointer: of the highest epoch there is. */
  pointer(): { epoch: number; member: Member | undefined } {
    const folder = join(this.#directory, 'b-test');
    try {
      const epochs = readdirSync(folder).map((name) => Number(/^e(\d+)$/.exec(name)?.[1] ?? 0));
      const epoch = Math.max(0, ...epochs);
      const file = join(folder, `e${epoch}`);
      const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number };
      if (!this.pointers.has(epoch))
        this.pointers.set(epoch, statSync(file).mtimeMs - Date.now() + machineTime());
      return { epoch, member: this.living.find(({ process }) => process.pid === pid) };
    } catch {
      // deleted, or an anchor that names nobody
      return { epoch: 0, member: undefined };
    }
  }

  /** Resolves to the member whose host everybody in `who` is on, in an epoch above `epoch`. */
  async settled(epoch: number, who: () => readonly Member[] = () => this.living): Promise<Member> {
    let host: Member | undefined;
    await until(
      () => {
        const current = this.pointer();
        host = current.epoch > epoch ? current.member : undefined;
        return host !== undefined && who().every((member) => member.epoch === current.epoch);
      },
      `one host above epoch ${epoch} for all`,
      () =>
        who()
          .map(({ task, epoch, lives }) => `${task.label} ${lives ? epoch : 'gone'}`)
          .join(', '),
    );
    return host!;
  }

  async end(): Promise<void> {
    await Promise.all(this.living.map((member) => member.kill()));
  }

  #note(fault: string): void {
    this.faults.push(fault);
    console.error(`fault: ${fault}`);
  }
}

/** Looks every millisecond. */
export async function until(holds: () => boolean, what: string, found?: () => string): Promise<void> {
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver && !holds()) await pause(1);
  };
  try {
    await inTime(look(), what);
  } catch (error) {
    isOver = true;
    throw found === undefined ? error : new Error(`${(error as Error).message}; ${found()}`);
  }
}
