// The one error class of the package, and the catalogue of its codes. docs/ERRORS.md has a heading per code
// (a test compares the two). What a caller can meet has a code here; what cannot happen is a plain Error.

/** Every code: whether the same call may succeed later (`retryable`), and what it means in one line. */
export const errorCatalogue = {
  MAILSLOT_CLOSED: { retryable: false, meaning: 'the bus, slot, responder or host was closed' },
  MAILSLOT_UNREACHABLE: { retryable: true, meaning: 'no host could be reached or started in time' },
  MAILSLOT_TIMEOUT: { retryable: true, meaning: 'the answer did not come within its time-out' },
  MAILSLOT_NO_RESPONDER: { retryable: true, meaning: 'nobody responds to this subject' },
  MAILSLOT_RESPONDER_LOST: {
    retryable: true,
    meaning: 'the responder, or the link to it, went before it answered',
  },
  MAILSLOT_RESPONDER_FAILED: { retryable: false, meaning: 'the handler of the responder threw' },
  MAILSLOT_NO_SUCH_PEER: { retryable: false, meaning: 'no peer with this id is on the bus' },
  MAILSLOT_INVALID_NAME: { retryable: false, meaning: 'not a bus name, or not a name to claim' },
  MAILSLOT_INVALID_SUBJECT: { retryable: false, meaning: 'not a subject, or not a pattern' },
  MAILSLOT_INVALID_OPTION: { retryable: false, meaning: 'an argument is of the wrong type or out of range' },
  MAILSLOT_NOT_ENCODABLE: { retryable: false, meaning: 'the data or headers cannot be put on the wire' },
  MAILSLOT_MESSAGE_TOO_LARGE: { retryable: false, meaning: 'the message exceeds maxMessageBytes' },
  MAILSLOT_OUTBOX_FULL: { retryable: true, meaning: 'too much was published without awaiting it' },
  MAILSLOT_QUOTA_EXCEEDED: {
    retryable: true,
    meaning: 'a limit of the host or of the addressed peer is reached',
  },
  MAILSLOT_NOT_PERMITTED: { retryable: false, meaning: 'the operating system or the host refused this' },
  MAILSLOT_UNSAFE_DIRECTORY: { retryable: false, meaning: 'the bus directory could be changed by others' },
  MAILSLOT_PATH_TOO_LONG: { retryable: false, meaning: 'the socket path does not fit into a socket address' },
  MAILSLOT_BAD_KEY: { retryable: false, meaning: 'the other side does not know the key of this bus' },
  MAILSLOT_PROTOCOL_VIOLATION: { retryable: false, meaning: 'the other side broke the protocol' },
  MAILSLOT_VERSION_MISMATCH: { retryable: false, meaning: 'the other side speaks an incompatible version' },
} as const satisfies Record<string, { retryable: boolean; meaning: string }>;

/** One of the codes in {@link errorCatalogue}. */
export type MailslotErrorCode = keyof typeof errorCatalogue;

// Two copies of the package in one program share this mark, while `instanceof` would tell them apart.
const mark = Symbol.for('mailslot.error');

/** What {@link MailslotError} takes beside its code and message. */
export interface MailslotErrorOptions {
  /** The error that led to this one. */
  cause?: unknown;
  /** Whether the same call may succeed later. @default what the catalogue says of the code */
  retryable?: boolean;
  /** What the responder's handler put on its error as `data`; or what is wrong with data that breaks a contract. */
  data?: unknown;
  /** The `code` of the error that the responder's handler threw (`MAILSLOT_RESPONDER_FAILED` only). */
  responderCode?: string;
}

/** Every error that this package rejects with. */
export class MailslotError extends Error {
  override readonly name = 'MailslotError';
  readonly code: MailslotErrorCode;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /**
   * The `data` property of the error that a responder's handler threw, as far as it can be encoded; of a broken
   * contract a `ContractIssue[]`.
   */
  readonly data: unknown;
  /** The `code` of the error that a responder's handler threw. */
  readonly responderCode: string | undefined;
  readonly [mark] = true;

  constructor(code: MailslotErrorCode, message: string, options: MailslotErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? errorCatalogue[code].retryable;
    this.data = options.data;
    this.responderCode = options.responderCode;
  }

  /** Whether `value` is a MailslotError (of `code`, if given), also one of another copy of this package. */
  static is(value: unknown, code?: MailslotErrorCode): value is MailslotError {
    if (typeof value !== 'object' || value === null || !(mark in value)) return false;
    return code === undefined || (value as MailslotError).code === code;
  }
}

/** Whether `text` is a code of the catalogue: codes also arrive on the wire, from other versions. */
export function isErrorCode(text: unknown): text is MailslotErrorCode {
  return typeof text === 'string' && Object.hasOwn(errorCatalogue, text);
}
