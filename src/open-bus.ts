// Puts peer and host together: the only place besides index.ts that knows both. A Bus that finds no living host
// starts one in its own process, and then joins it like everybody else.
import { basename } from 'node:path';
import { MailslotError } from './errors.js';
import type { Host } from './host/api.js';
import { Hosting } from './host/hosting.js';
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  MAX_DIRECTORY_BYTES,
  MAX_FRAME_BYTES,
  MAX_LABEL_BYTES,
  MAX_TIMEOUT,
  OPEN_TIMEOUT,
  RECONNECT_TIMEOUT,
  RETRY_DELAY_MAX,
  RETRY_DELAY_MIN,
  WINDOW_BYTES_MAX,
  WINDOW_BYTES_MIN,
} from './limits.js';
import type { Bus, OpenOptions } from './peer/api.js';
import { OpenBus, type OpenBusOptions } from './peer/bus.js';
import { CheckedBus } from './peer/checked-bus.js';
import type { Contract } from './peer/contract.js';
import { ContractChecks, type Validate } from './peer/contract-checks.js';
import type { ContractBus, ContractOptions } from './peer/contract-types.js';
import { checkNumber, checkOptions, checkSignal, checkText, checkWord } from './peer/options.js';
import { encodeWillOption } from './peer/will.js';
import { type BusDirectory, openBusDirectory } from './transport/bus-directory.js';
import { type DeadHost, findHost } from './transport/find-host.js';
import type { Link } from './transport/link.js';
import { MessageFolder } from './transport/message-files.js';
import type { Suspicion } from './transport/patience.js';
import { ownPidNamespace } from './transport/process-liveness.js';
import { socketEndpoints } from './transport/socket-pipe.js';
import { giveHeadStart, waitForTurn, watchSuccession } from './transport/succession.js';
import { Backoff } from './util/backoff.js';
import { systemClock, wait } from './util/clock.js';
import { PEER_ID_BYTES, type PeerId, peerIdAt } from './wire/peer-id.js';

// Found from here and not from host/, because this module becomes part of a bundle that lies in the folder it is in.
const threadFile = new URL('./host/host-worker.cjs', import.meta.url);

type HostThreadOption = 'worker' | 'inline';

/** Options of `startHost`. */
export interface HostOptions {
  /** Folder in which buses live. @default $MAILSLOT_DIR, else a folder in the user's home */
  directory?: string;
  /** Where the host runs. @default 'worker' */
  hostThread?: HostThreadOption;
  /** Time to become the host, ms. @default 5000 */
  timeout?: number;
  /** Gives up, which rejects with its reason. Has no effect once the host serves. */
  signal?: AbortSignal;
}

/**
 * Joins a bus, and hosts it if nobody does.
 * @param name 1 to 32 characters of a–z, 0–9 and -, not beginning with -
 * @throws MAILSLOT_UNREACHABLE, _INVALID_NAME, _INVALID_OPTION, _UNSAFE_DIRECTORY, _PATH_TOO_LONG, _BAD_KEY,
 *   _VERSION_MISMATCH, _PROTOCOL_VIOLATION; `signal.reason`; for the will _INVALID_SUBJECT, _NOT_ENCODABLE, _MESSAGE_TOO_LARGE
 */
export function openBus(name: string, options?: OpenOptions): Promise<Bus>;
/**
 * The same for a bus whose subjects and data a contract describes.
 * @throws also MAILSLOT_INVALID_SUBJECT and MAILSLOT_INVALID_OPTION as `defineContract` does
 */
export function openBus<const Entries extends Contract, Mode extends Validate = 'both'>(
  name: string,
  options: ContractOptions<Entries, Mode>,
): Promise<ContractBus<Entries, Mode>>;
export async function openBus(name: string, options: OpenOptions & ContractSettings = {}): Promise<unknown> {
  const settings = checkOpenOptions(options);
  const checks = checkContract(options);
  const peerId = peerIdAt(systemClock.randomBytes(PEER_ID_BYTES), 0);
  const { maxMessageBytes } = settings;
  const will = encodeWillOption(options.will, { call: 'openBus', peerId, maxMessageBytes });
  if (options.will !== undefined) await checks?.checkSent('openBus', options.will.subject, options.will.data);
  const directory = await openBusDirectory(name, { directory: options.directory });
  const hosting = new Hosting({
    bus: directory,
    clock: systemClock,
    endpoints: socketEndpoints(systemClock),
    ownerId: peerId,
    thread: settings.hostThread,
    threadFile,
    onInline: (cause) => bus.hostedInline(cause),
  });
  const busOptions: OpenBusOptions = {
    ...settings,
    name,
    directory: directory.path,
    clock: systemClock,
    peerId,
    will,
    files: new MessageFolder(directory, peerId.hex, systemClock),
    pid: process.pid,
    pidNamespace: ownPidNamespace(),
    reach: (context) =>
      reach(directory, { ...context, peerId, hosting: settings.mayHost ? hosting : undefined }),
    hostedEpoch: () => hosting.epoch,
    onStandby: (isOwn) => hosting.setStandby(isOwn),
    watchSuccession: (epoch, onSuccessor) => watchSuccession(directory, epoch, onSuccessor),
    closeHost: () => hosting.close(),
  };
  const bus = checks === undefined ? new OpenBus(busOptions) : new CheckedBus(busOptions, checks);
  try {
    await bus.open();
  } catch (error) {
    await hosting.close();
    throw error;
  }
  return bus;
}

/**
 * Hosts a bus in this process without joining it.
 * @throws MAILSLOT_NOT_PERMITTED when the bus has a living host; else as {@link openBus}
 */
export async function startHost(name: string, options: HostOptions = {}): Promise<Host> {
  checkOptions(options, 'startHost', ['directory', 'hostThread', 'timeout', 'signal']);
  const { hostThread = 'worker', timeout = OPEN_TIMEOUT, signal } = options;
  checkWord(hostThread, { call: 'startHost', option: 'hostThread', words: ['worker', 'inline'] });
  checkNumber(timeout, { call: 'startHost', option: 'timeout', min: 1, max: MAX_TIMEOUT });
  checkSignal(signal, 'startHost');
  checkDirectory(options.directory, 'startHost');
  const directory = await openBusDirectory(name, { directory: options.directory });
  const peerId = peerIdAt(systemClock.randomBytes(PEER_ID_BYTES), 0);
  const endpoints = socketEndpoints(systemClock);
  const hosting = new Hosting({
    bus: directory,
    clock: systemClock,
    endpoints,
    ownerId: undefined,
    thread: hostThread,
    threadFile,
    onInline: () => {},
  });
  const keepAlive = systemClock.keepAlive();
  const controller = new AbortController();
  const timer = systemClock.setTimer(timeout, () => controller.abort(notInTime(timeout)));
  const either = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  try {
    for (;;) {
      const found = await findHost(directory, {
        clock: systemClock,
        endpoints,
        peerId: peerId.bytes,
        signal: either,
      });
      if (found.link !== undefined) {
        found.link.pipe.destroy();
        throw alreadyHosted(name, found.link.epoch);
      }
      const host = await hosting.start({ dead: found.dead, hung: found.hung, lastEpoch: 0 });
      if (host === undefined) continue;
      void host.closed.then(() => keepAlive.release());
      return host;
    }
  } catch (error) {
    keepAlive.release();
    throw error;
  } finally {
    timer.cancel();
  }
}

interface ReachOptions {
  lastEpoch: number;
  suspicion: Suspicion | undefined;
  signal: AbortSignal;
  onFailure(failure: Error): void;
  peerId: PeerId;
  /** Undefined when this process must not host. */
  hosting: Hosting | undefined;
}

/** Finds the host; where there is none, becomes it, and then finds itself. */
async function reach(directory: BusDirectory, options: ReachOptions): Promise<Link> {
  const { lastEpoch, signal, onFailure, peerId, hosting } = options;
  let { suspicion } = options;
  const endpoints = socketEndpoints(systemClock);
  const backoff = new Backoff(systemClock, { min: RETRY_DELAY_MIN, max: RETRY_DELAY_MAX });
  let hadHeadStart = lastEpoch > 0 && suspicion === undefined && hosting?.isStandby !== true;
  if (hadHeadStart) await giveHeadStart(directory, { clock: systemClock, epoch: lastEpoch, signal });
  for (;;) {
    const found = await findHost(directory, {
      clock: systemClock,
      endpoints,
      peerId: peerId.bytes,
      lastEpoch,
      suspicion,
      signal,
      onFailure: (failure) => onFailure(failure),
    });
    // it holds for a moment: this process may sleep before it looks again
    suspicion = undefined;
    if (found.link !== undefined) return found.link;
    if (hosting !== undefined) await standInTurn(directory, hosting, found, { ...options, hadHeadStart });
    else if (lastEpoch === 0) throw new NobodyHosts(directory.name);
    // who was on the bus waits for somebody to take over
    else await wait(systemClock, backoff.next(), signal);
    hadHeadStart = false;
  }
}

async function standInTurn(
  directory: BusDirectory,
  hosting: Hosting,
  { dead, hung }: DeadHost,
  { peerId, lastEpoch, hadHeadStart, signal }: ReachOptions & { hadHeadStart: boolean },
): Promise<void> {
  const { isStandby } = hosting;
  const turn = { clock: systemClock, peerId: peerId.hex, dead, lastEpoch, isStandby, hadHeadStart, signal };
  if (await waitForTurn(directory, turn)) await hosting.start({ dead, hung, lastEpoch });
}

const OPEN_OPTIONS: (keyof ContractOptions)[] = [
  'host',
  'hostThread',
  'label',
  'directory',
  'timeout',
  'windowBytes',
  'maxMessageBytes',
  'reconnectTimeout',
  'signal',
  'contract',
  'validate',
  'will',
];

function checkOpenOptions(options: OpenOptions) {
  const call = 'openBus';
  checkOptions(options, call, OPEN_OPTIONS);
  const { host = 'auto', hostThread = 'worker', label = defaultLabel(), signal } = options;
  const { timeout = OPEN_TIMEOUT, reconnectTimeout = RECONNECT_TIMEOUT } = options;
  const { windowBytes = WINDOW_BYTES_MAX, maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES } = options;
  checkWord(host, { call, option: 'host', words: ['auto', 'never'] });
  checkWord(hostThread, { call, option: 'hostThread', words: ['worker', 'inline'] });
  checkNumber(timeout, { call, option: 'timeout', min: 1, max: MAX_TIMEOUT });
  checkNumber(reconnectTimeout, { call, option: 'reconnectTimeout', min: 1, max: MAX_TIMEOUT });
  checkNumber(windowBytes, { call, option: 'windowBytes', min: WINDOW_BYTES_MIN, max: WINDOW_BYTES_MAX });
  checkNumber(maxMessageBytes, { call, option: 'maxMessageBytes', min: 1_024, max: MAX_FRAME_BYTES });
  checkSignal(signal, call);
  checkText(label, { call, option: 'label', maxBytes: MAX_LABEL_BYTES });
  checkDirectory(options.directory, call);
  const openTimeout = timeout;
  return {
    mayHost: host === 'auto',
    hostThread,
    label,
    openTimeout,
    reconnectTimeout,
    windowBytes,
    maxMessageBytes,
    signal,
  };
}

interface ContractSettings {
  contract?: unknown;
  validate?: Validate;
}

/** What data is held against; undefined without a contract. */
function checkContract({ contract, validate }: ContractSettings): ContractChecks | undefined {
  const [call, option] = ['openBus', 'validate'];
  if (validate !== undefined) checkWord(validate, { call, option, words: ['send', 'receive', 'both'] });
  if (contract !== undefined) return new ContractChecks(contract, validate ?? 'both');
  if (validate === undefined) return undefined;
  const message =
    'openBus: there is nothing to `validate` without a `contract`; pass one, made by defineContract()';
  throw new MailslotError('MAILSLOT_INVALID_OPTION', message);
}

function checkDirectory(directory: unknown, call: string): void {
  if (directory !== undefined)
    checkText(directory, { call, option: 'directory', maxBytes: MAX_DIRECTORY_BYTES });
}

function defaultLabel(): string {
  const script = process.argv[1];
  const label = script === undefined ? 'node' : basename(script);
  return Buffer.byteLength(label) <= MAX_LABEL_BYTES ? label : 'node';
}

/** No host lives, and the caller may not become it: its own class, for who has other advice to give. */
export class NobodyHosts extends MailslotError {
  constructor(name: string) {
    super(
      'MAILSLOT_UNREACHABLE',
      `openBus: nobody hosts bus "${name}", and \`host\` is 'never'; start a host, or leave the option out`,
    );
  }
}

function alreadyHosted(name: string, epoch: number): MailslotError {
  const message = `startHost: bus "${name}" has a living host (epoch ${epoch}); join it with openBus(), or close that host first`;
  return new MailslotError('MAILSLOT_NOT_PERMITTED', message);
}

function notInTime(timeout: number): MailslotError {
  return new MailslotError(
    'MAILSLOT_UNREACHABLE',
    `startHost: the bus could not be hosted within ${timeout} ms; raise \`timeout\`, or see what keeps its host busy`,
  );
}
