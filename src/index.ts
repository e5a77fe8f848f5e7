// The public names, by hand: what is not listed here is not part of the contract.
export { MailslotError, type MailslotErrorCode, type MailslotErrorOptions } from './errors.js';
export type { Host } from './host/host.js';
export { type HostOptions, openBus, startHost } from './open-bus.js';
export type {
  Bus,
  BusEvent,
  BusState,
  BusStats,
  LeaveCause,
  OpenOptions,
  Overflow,
  Peer,
  PublishOptions,
  QueryAllOptions,
  QueryContext,
  QueryHandler,
  QueryOptions,
  Receipt,
  Responder,
  RespondOptions,
  Slot,
  SlotInfo,
  SubscribeOptions,
} from './peer/api.js';
export type { Message } from './peer/message.js';
export type { Gap } from './peer/slot-queue.js';
