// Many deadlines on one timer: nearly every query is answered long before its own, so that setting one and
// cancelling it must cost next to nothing. Those of one length come due in the order in which they were set, and are
// linked in it: a Set of what comes and goes so fast would keep it alive (recent-map.ts says why).
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
    if (last?.isEmpty) this.#lines.delete(last.delay);
    let line = this.#lines.get(delay);
    if (line === undefined) {
      line = new Line(delay, (empty) => this.#ranEmpty(empty));
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
    for (const line of this.#lines.values()) {
      const { first } = line;
      if (first !== undefined) earliest = Math.min(earliest, first.due);
      else this.#ranEmpty(line);
    }
    return earliest;
  }

  #fire(): void {
    const now = this.#clock.now();
    const due = [...this.#lines.values()].flatMap((line) => line.takeDue(now));
    const next = this.#earliest();
    this.#armedFor = next;
    if (next < Number.POSITIVE_INFINITY) this.#arm(next, Math.ceil(next - now));
    for (const deadline of due) deadline.fire();
  }
}

/** The deadlines of one length. */
class Line {
  readonly delay: number;
  readonly #ranEmpty: (line: Line) => void;
  first: Deadline | undefined;
  #last: Deadline | undefined;

  constructor(delay: number, ranEmpty: (line: Line) => void) {
    this.delay = delay;
    this.#ranEmpty = ranEmpty;
  }

  get isEmpty(): boolean {
    return this.first === undefined;
  }

  append(deadline: Deadline): void {
    const last = this.#last;
    deadline.previous = last;
    if (last === undefined) this.first = deadline;
    else last.next = deadline;
    this.#last = deadline;
  }

  /** Takes out one that is in it. It keeps no link: as garbage it would keep its neighbours. */
  unlink(deadline: Deadline): void {
    const { previous, next } = deadline;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    deadline.previous = undefined;
    deadline.next = undefined;
    deadline.isWaiting = false;
  }

  cancel(deadline: Deadline): void {
    this.unlink(deadline);
    if (this.isEmpty) this.#ranEmpty(this);
  }

  /** Takes out what is due. A timer counts whole milliseconds, and may find its deadline a fraction of one ahead. */
  takeDue(now: number): Deadline[] {
    const due: Deadline[] = [];
    for (let first = this.first; first !== undefined && first.due - now < 1; first = this.first) {
      this.unlink(first);
      due.push(first);
    }
    return due;
  }
}

class Deadline implements Timer {
  readonly due: number;
  previous: Deadline | undefined;
  next: Deadline | undefined;
  /** Whether it is in its line. */
  isWaiting = true;
  readonly #fire: () => void;
  readonly #line: Line;
  #cancelled = false;

  constructor(line: Line, due: number, fire: () => void) {
    this.due = due;
    this.#fire = fire;
    this.#line = line;
    line.append(this);
  }

  /** One that is due at the same time may have cancelled it. */
  fire(): void {
    if (!this.#cancelled) this.#fire();
  }

  cancel(): void {
    this.#cancelled = true;
    if (this.isWaiting) this.#line.cancel(this);
  }
}
