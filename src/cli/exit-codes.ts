// What the process returns to the shell, in one table, and the errors by which a command chooses it. Whether
// anything is printed is decided in program.ts.
import { MailslotError, type MailslotErrorCode } from '../errors.js';

/** Exit codes of the command, as its documentation lists them. */
export const ExitCode = {
  done: 0,
  answerFailed: 1,
  usage: 2,
  nobodyThere: 3,
  timedOut: 4,
  refused: 5,
  connectionLost: 6,
  interrupted: 130,
} as const;

const exitCodes: Record<MailslotErrorCode, number> = {
  MAILSLOT_CLOSED: ExitCode.connectionLost,
  MAILSLOT_UNREACHABLE: ExitCode.nobodyThere,
  MAILSLOT_TIMEOUT: ExitCode.timedOut,
  MAILSLOT_NO_RESPONDER: ExitCode.nobodyThere,
  MAILSLOT_RESPONDER_LOST: ExitCode.connectionLost,
  MAILSLOT_RESPONDER_FAILED: ExitCode.answerFailed,
  MAILSLOT_NO_SUCH_PEER: ExitCode.nobodyThere,
  MAILSLOT_INVALID_NAME: ExitCode.usage,
  MAILSLOT_INVALID_SUBJECT: ExitCode.usage,
  MAILSLOT_INVALID_OPTION: ExitCode.usage,
  MAILSLOT_NOT_ENCODABLE: ExitCode.usage,
  MAILSLOT_MESSAGE_TOO_LARGE: ExitCode.refused,
  MAILSLOT_OUTBOX_FULL: ExitCode.refused,
  MAILSLOT_QUOTA_EXCEEDED: ExitCode.refused,
  MAILSLOT_NOT_PERMITTED: ExitCode.refused,
  MAILSLOT_UNSAFE_DIRECTORY: ExitCode.refused,
  MAILSLOT_PATH_TOO_LONG: ExitCode.refused,
  MAILSLOT_BAD_KEY: ExitCode.refused,
  MAILSLOT_PROTOCOL_VIOLATION: ExitCode.connectionLost,
  MAILSLOT_VERSION_MISMATCH: ExitCode.refused,
};

/** Ends the command with `exitCode`; a message, if there is one, goes to stderr. */
export class CommandEnd extends Error {
  override readonly name = 'CommandEnd';
  readonly exitCode: number;

  constructor(exitCode: number, message = '', options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The arguments or the data given are wrong: exit code 2. */
export function usageError(message: string, options?: ErrorOptions): CommandEnd {
  return new CommandEnd(ExitCode.usage, message, options);
}

/** The exit code that an error stands for; what nobody foresaw is 1, as Node itself would end. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandEnd) return error.exitCode;
  if (MailslotError.is(error)) return exitCodes[error.code] ?? ExitCode.answerFailed;
  return ExitCode.answerFailed;
}

/**
 * The same error as seen by a command that had joined the bus already: a host out of reach was there before, so
 * the connection is lost rather than nobody there.
 */
export function afterJoining(error: unknown): unknown {
  if (!MailslotError.is(error, 'MAILSLOT_UNREACHABLE')) return error;
  return new CommandEnd(ExitCode.connectionLost, error.message, { cause: error });
}

/**
 * The same error as seen by a command whose question was asked: the question was in order, so that what is wrong with
 * subject, data or size is the answer.
 */
export function afterAsking(error: unknown): unknown {
  if (!MailslotError.is(error) || !isAboutContent(error.code)) return error;
  return new CommandEnd(ExitCode.answerFailed, `${error.message} (${error.code})`, { cause: error });
}

function isAboutContent(code: MailslotErrorCode): boolean {
  return exitCodes[code] === ExitCode.usage || code === 'MAILSLOT_MESSAGE_TOO_LARGE';
}
