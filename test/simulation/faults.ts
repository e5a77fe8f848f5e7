// What befalls the processes of a simulated run. A fault for which nobody is left is left out: two processes always
// stay, one of which may host.
import { Rank } from './agenda.js';
import type { Program } from './program.js';
import { drawPublishing, type Fault } from './scenario.js';
import type { SimProcess } from './sim-process.js';
import type { World } from './world.js';

export function inflict(world: World, fault: Fault): void {
  const { dice } = world;
  // while the machine sleeps nothing befalls anybody
  if (world.asleep > 0) return world.after(world.asleep, () => inflict(world, fault));
  switch (fault) {
    case 'kill-host':
      if (dice.chance(0.3)) setClock(world);
      return killIfPossible(world, world.hosting);
    case 'kill-host-and-next':
      killIfPossible(world, world.hosting);
      return world.after(dice.delay(1, 400), () => killIfPossible(world, world.hosting));
    case 'kill-peer':
      return killIfPossible(world, anybody(world));
    case 'block-program':
      return world.hold(anybody(world), dice.delay(20, 1_700), 'program');
    case 'suspend':
      return world.hold(anybody(world), dice.delay(50, 1_700), 'all');
    case 'suspend-host':
      return world.hold(world.hosting ?? anybody(world), dice.delay(3_500, 9_000), 'all');
    case 'suspend-for-long':
      return world.hold(anybody(world), dice.delay(dice.pick([4_000, 10_500]), 16_000), 'all');
    case 'sleep':
      return world.sleep(dice.delay(1_000, 60_000));
    case 'set-clock':
      return setClock(world);
    case 'exhaust':
      return anybody(world).exhaust(dice.delay(50, 3_000));
    case 'exhaust-host':
      return (world.hosting ?? anybody(world)).exhaust(dice.delay(50, dice.pick([2_000, 12_000])));
    case 'cut-link':
      world.count('link cut');
      return anybody(world).cut();
    case 'join':
      return world.watch(join(world, world.start(world.scenario.drawProcess(dice))));
    case 'close':
      return leaveIfPossible(world, (process) => process.bus.close());
    case 'drain':
      return leaveIfPossible(world, (process) => process.bus.drain());
    case 'subscribe':
      return subscribe(world, anyProgram(world));
    case 'close-slot':
      return anyProgram(world)?.closeSlot();
  }
}

function setClock(world: World): void {
  const { dice, wall } = world;
  world.count('clock set');
  wall.offset += dice.between(-3_600_000, 3_600_000);
}

function anybody({ dice, living }: World): SimProcess {
  return dice.pick(living);
}

function anyProgram({ dice, programs }: World): Program | undefined {
  return dice.pick(programs.filter(({ process }) => process.alive && process.bus.state === 'connected'));
}

/** A newcomer reads, and publishes a little. */
async function join(world: World, program: Program): Promise<void> {
  await program.process.bus.open();
  subscribe(world, program);
  world.watch(program.publish({ ...drawPublishing(world.dice), count: 20 }));
}

function subscribe(world: World, program: Program | undefined): void {
  if (program !== undefined) world.watch(program.read(world.scenario.drawReading(world.dice)));
}

function isNeeded(world: World, process: SimProcess): boolean {
  const others = world.living.filter((other) => other !== process && !other.isLeaving);
  return others.length < 2 || !others.some(({ mayHost }) => mayHost);
}

function killIfPossible(world: World, process: SimProcess | undefined): void {
  if (process !== undefined && !isNeeded(world, process)) world.kill(process);
}

function leaveIfPossible(world: World, leave: (process: SimProcess) => Promise<void>): void {
  const process = anybody(world);
  if (isNeeded(world, process)) return;
  process.isLeaving = true;
  world.note({ op: 'ended', process: process.name, how: 'closed' });
  // in its own thread, as every call of a Bus
  process.thread.post(0, Rank.timer, () => world.watch(leave(process)));
}
