// Draws from the seed what a run is about: how many processes do what on which kind of machine, and what befalls them.
// Here are runs of a little of everything; those of long bursts are in bulk.ts.
import type { Dice } from './dice.js';
import type { AskingPlan, ClaimingPlan, Program, PublishingPlan, ReadingPlan } from './program.js';
import type { Weather, World } from './world.js';

export interface Scenario {
  drawWeather(dice: Dice): Weather;
  drawProcess(dice: Dice): ProcessPlan;
  drawReading(dice: Dice): ReadingPlan;
  /** Opens what this program has from the beginning. */
  prepare(world: World, program: Program): Promise<void>;
  /** Everybody is there: begins what they do, and returns what is to befall them. */
  begin(world: World, programs: readonly Program[]): PlannedFault[];
}

export interface ProcessPlan {
  mayHost: boolean;
  windowBytes: number;
}

/** `at`: ms from the moment when everybody is there; `after`: so many messages were published in long bursts. */
export type PlannedFault = { fault: Fault } & ({ at: number } | { after: number });

export type Fault =
  | 'kill-host'
  | 'kill-peer'
  | 'kill-host-and-next'
  | 'block-program'
  | 'suspend'
  | 'suspend-host'
  | 'suspend-for-long'
  | 'sleep'
  | 'set-clock'
  | 'cut-link'
  | 'exhaust'
  | 'exhaust-host'
  | 'join'
  | 'close'
  | 'drain'
  | 'subscribe'
  | 'close-slot';

/** How often each fault is drawn, relative to the others. */
const WEIGHTS: readonly [Fault, number][] = [
  ['kill-host', 8],
  ['kill-peer', 2],
  ['kill-host-and-next', 4],
  ['block-program', 4],
  ['suspend', 3],
  ['suspend-host', 1],
  ['suspend-for-long', 4],
  ['sleep', 1],
  ['set-clock', 1],
  ['cut-link', 2],
  ['exhaust', 1],
  ['exhaust-host', 1],
  ['join', 3],
  ['close', 1],
  ['drain', 1],
  ['subscribe', 2],
  ['close-slot', 1],
];
export const FAULTS: readonly Fault[] = WEIGHTS.flatMap(([fault, weight]) =>
  Array<Fault>(weight).fill(fault),
);

export const SUBJECTS = ['a.x', 'a.y', 'b.x'];
export const PATTERNS = ['>', 'a.*', 'a.x', '*.x', 'b.>'];

function drawWeather(dice: Dice): Weather {
  return {
    delay: dice.pick([0.1, 1, 5]),
    capacity: dice.pick([700, 8_192, 212_992]),
    partialWrites: dice.pick([0, 0.1, 0.6]),
    splits: dice.pick([0, 0.2, 0.8]),
    refusals: dice.pick([0, 0.1, 0.5]),
  };
}

function drawFaults(dice: Dice): { at: number; fault: Fault }[] {
  const duration = dice.pick([100, 400, 1_500, 10_000]);
  const faults = Array.from({ length: dice.between(1, 5) }, () => ({
    at: dice.delay(0, duration),
    fault: dice.pick(FAULTS),
  }));
  return faults.sort((a, b) => a.at - b.at);
}

function drawProcess(dice: Dice): ProcessPlan {
  return { mayHost: dice.chance(0.85), windowBytes: dice.pick([600, 3_000, 20_000, 65_536]) };
}

export function drawPublishing(dice: Dice): PublishingPlan {
  return {
    count: dice.between(5, 80),
    subjects: dice.chance(0.5) ? SUBJECTS : [dice.pick(SUBJECTS)],
    burst: dice.pick([1, 10, 50]),
    pause: dice.pick([0, 5, 40, 400]),
    confirms: dice.pick([0, 0.05, 0.5]),
    largeMessages: dice.pick([0, 0, 0.1]),
    narrow: dice.pick([0, 0, 0.2]),
  };
}

function drawAsking(dice: Dice): AskingPlan {
  return { count: dice.between(1, 15), subject: 'q', pause: dice.pick([5, 60]) };
}

function drawClaiming(dice: Dice): ClaimingPlan {
  return {
    count: dice.between(1, 8),
    names: dice.pick([['x'], ['x', 'y']]),
    hold: dice.pick([1, 50, 800]),
    pause: dice.pick([0, 20]),
  };
}

function drawReading(dice: Dice): ReadingPlan {
  return {
    pattern: dice.pick(PATTERNS),
    overflow: dice.chance(0.7) ? 'wait' : 'drop-oldest',
    capacity: dice.pick([1, 5, 50, 1_000]),
    stallTimeout: dice.pick([10_000, 10_000, 300]),
    by: 'read',
    pause: dice.pick([0, 0, 0, 2, 8]),
    rests: dice.pick([0, 0, 0.01]),
  };
}

async function prepare(world: World, program: Program): Promise<void> {
  const { dice } = world;
  for (let count = dice.between(0, 2); count > 0; count -= 1) world.watch(program.read(drawReading(dice)));
  if (dice.chance(0.4)) await program.respond('q', dice.pick([0, 5, 60]));
}

function begin(world: World, programs: readonly Program[]): PlannedFault[] {
  const { dice } = world;
  for (const program of programs.slice(0, dice.between(1, 3)))
    world.watch(program.publish(drawPublishing(dice)));
  for (const program of programs) {
    if (dice.chance(0.3)) world.watch(program.ask(drawAsking(dice)));
    if (dice.chance(0.3)) world.watch(program.claim(drawClaiming(dice)));
  }
  return drawFaults(dice);
}

export const mixed: Scenario = { drawWeather, drawProcess, drawReading, prepare, begin };
