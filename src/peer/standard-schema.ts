// What a validator has to look like: version 1 of Standard Schema, which zod, valibot, arktype and others implement
// (https://standardschema.dev). The interface is types only and frozen at this version, so it stands here and costs
// no dependency. What validators find is brought into one form.
import { CONTRACT_ISSUES } from '../limits.js';
import { stepText } from '../wire/value-writer.js';

/** Any validator that follows Standard Schema 1. What it takes and what it makes of that may differ. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    /** Which library it is of. */
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    /** Exists for the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a validator answers: the value, or what is wrong with it. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type InputOf<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['input'];
/** What a schema makes of it. */
export type OutputOf<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output'];

/** One thing that is wrong with data, and where: keys and indices from the data inwards. */
export interface ContractIssue {
  path: (string | number)[];
  message: string;
}

/** What became of a value. */
export type Verdict = { readonly value: unknown } | { readonly issues: ContractIssue[] };

export function isStandardSchema(value: unknown): value is StandardSchema {
  // arktype's schemas are functions
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  const { '~standard': standard } = value as Partial<StandardSchema>;
  return standard?.version === 1 && typeof standard.validate === 'function';
}

/** Asks the validator. A promise comes back only where the validator gives one. */
export function judge(schema: StandardSchema, value: unknown): Verdict | Promise<Verdict> {
  try {
    const result = schema['~standard'].validate(value);
    return isPromise(result) ? result.then(verdictOf, thrown) : verdictOf(result);
  } catch (error) {
    return thrown(error);
  }
}

/** Where the first issue is and what it says, and how many there are beside it. */
export function issuesText([first, ...others]: readonly ContractIssue[]): string {
  if (first === undefined) return 'data: the validator does not say why';
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return `data${first.path.map(stepText).join('')}: ${first.message}${more}`;
}

export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}

function verdictOf(result: StandardResult<unknown>): Verdict {
  if (result.issues === undefined) return { value: result.value };
  return { issues: result.issues.slice(0, CONTRACT_ISSUES).map(issueOf) };
}

function issueOf({ message, path = [] }: StandardIssue): ContractIssue {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step));
  return { message, path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)) };
}

/** A validator that throws has not accepted the value. */
function thrown(error: unknown): Verdict {
  const text = error instanceof Error ? error.message : String(error);
  return { issues: [{ path: [], message: `the validator threw: ${text}` }] };
}
