// The one error class of the package, and the catalogue of its codes. docs/ERRORS.md has a heading per code
// (a test compares the two). What a caller can meet has a code here; what cannot happen is a plain Error.

/** Every code, and whether the same call may succeed later. docs/ERRORS.md says what each means. */
export const errorCatalogue = {
  MAILSLOT_CLOSED: { retryable: false },
  MAILSLOT_UNREACHABLE: { retryable: true },
  MAILSLOT_TIMEOUT: { retryable: true },
  MAILSLOT_NO_RESPONDER: { retryable: true },
  MAILSLOT_RESPONDER_LOST: { retryable: true },
  MAILSLOT_RESPONDER_FAILED: { retryable: false },
  MAILSLOT_NO_SUCH_PEER: { retryable: false },
  MAILSLOT_INVALID_NAME: { retryable: false },
  MAILSLOT_INVALID_SUBJECT: { retryable: false },
  MAILSLOT_INVALID_OPTION: { retryable: false },
  MAILSLOT_NOT_ENCODABLE: { retryable: false },
  MAILSLOT_MESSAGE_TOO_LARGE: { retryable: false },
  MAILSLOT_OUTBOX_FULL: { retryable: true },
  MAILSLOT_QUOTA_EXCEEDED: { retryable: true },
  MAILSLOT_NOT_PERMITTED: { retryable: false },
  MAILSLOT_UNSAFE_DIRECTORY: { retryable: false },
  MAILSLOT_PATH_TOO_LONG: { retryable: false },
  MAILSLOT_BAD_KEY: { retryable: false },
  MAILSLOT_PROTOCOL_VIOLATION: { retryable: false },
  MAILSLOT_VERSION_MISMATCH: { retryable: false },
} as const satisfies Record<string, { retryable: boolean }>;

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
