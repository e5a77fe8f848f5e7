// Many deadlines on one timer: nearly every query is answered long before its own, so that setting one and
// cancelling it must cost next to nothing. Those of one length come due in the order in which they were set.
import type { Clock, Timer } from './clock.js';

export class Deadlines {
  readonly #clock: Clock;
  readonly #lines = new Map<number, Line>();
  /** The line used last is kept when it runs empty: the next deadline is often of the same length. */
  #last: Line | undefined;
  #timer: Timer | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `fire` once after `delay` ms, a whole number, unless it is cancelled. */
  set(delay: number, fire: () => void): Timer {
    const deadline = new Deadline(this.#lineOf(delay), this.#clock.now() + delay, fire);
    if (deadline.due < this.#armedFor) this.#arm(deadline.due, delay);
    return deadline;
  }

  /** Nothing fires any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#lines.clear();
    this.#last = undefined;
  }

  #lineOf(delay: number): Line {
    const last = this.#last;
    if (last?.delay === delay) return last;
    if (last?.deadlines.size === 0) this.#lines.delete(last.delay);
    let line = this.#lines.get(delay);
    if (line === undefined) {
      line = { delay, deadlines: new Set(), ranEmpty: (empty) => this.#ranEmpty(empty) };
      this.#lines.set(delay, line);
    }
    this.#last = line;
    return line;
  }

  #ranEmpty(line: Line): void {
    if (line !== this.#last) this.#lines.delete(line.delay);
  }

  #arm(due: number, delay: number): void {
    this.#timer?.cancel();
    this.#armedFor = due;
    this.#timer = this.#clock.setTimer(delay, () => this.#fire());
  }

  #earliest(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { delay, deadlines } of this.#lines.values()) {
      const [first] = deadlines;
      if (first !== undefined) earliest = Math.min(earliest, first.due);
      else if (delay !== this.#last?.delay) this.#lines.delete(delay);
    }
    return earliest;
  }

  #fire(): void {
    const now = this.#clock.now();
    const due = [...this.#lines.values()].flatMap((line) => takeDue(line, now));
    const next = this.#earliest();
    this.#armedFor = next;
    if (next < Number.POSITIVE_INFINITY) this.#arm(next, Math.ceil(next - now));
    for (const deadline of due) deadline.fire();
  }
}

interface Line {
  readonly delay: number;
  readonly deadlines: Set<Deadline>;
  ranEmpty(line: Line): void;
}

class Deadline implements Timer {
  readonly due: number;
  readonly #fire: () => void;
  readonly #line: Line;
  #cancelled = false;

  constructor(line: Line, due: number, fire: () => void) {
    this.due = due;
    this.#fire = fire;
    this.#line = line;
    line.deadlines.add(this);
  }

  /** One that is due at the same time may have cancelled it. */
  fire(): void {
    if (!this.#cancelled) this.#fire();
  }

  cancel(): void {
    this.#cancelled = true;
    const { deadlines } = this.#line;
    if (deadlines.delete(this) && deadlines.size === 0) this.#line.ranEmpty(this.#line);
  }
}

/** Takes out what is due. A timer counts whole milliseconds, and may find its deadline a fraction of one ahead. */
function takeDue({ deadlines }: Line, now: number): Deadline[] {
  const due: Deadline[] = [];
  for (const deadline of deadlines) {
    if (deadline.due - now >= 1) break;
    deadlines.delete(deadline);
    due.push(deadline);
  }
  return due;
}
