// The public names, by hand: what is not listed here is not part of the contract.
export { MailslotError, type MailslotErrorCode, type MailslotErrorOptions } from './errors.js';
export type { Host } from './host/api.js';
export { type HostOptions, openBus, startHost } from './open-bus.js';
export type {
  Bus,
  BusEvent,
  BusState,
  BusStats,
  Claim,
  ClaimOptions,
  LeaveCause,
  OpenOptions,
  Overflow,
  Peer,
  PublishOptions,
  QueryAllOptions,
  QueryContext,
  QueryHandler,
  QueryOptions,
  QueryStreamOptions,
  Receipt,
  Responder,
  RespondOptions,
  Slot,
  SlotInfo,
  SubscribeOptions,
  Will,
} from './peer/api.js';
export {
  type Contract,
  defineContract,
  type MessageEntry,
  message,
  type QueryEntry,
  query,
} from './peer/contract.js';
export type { Validate } from './peer/contract-checks.js';
export type { ContractBus, ContractOptions } from './peer/contract-types.js';
export type { Gap } from './peer/gap.js';
export type { Message } from './peer/message.js';
export type { ContractIssue, StandardSchema } from './peer/standard-schema.js';
