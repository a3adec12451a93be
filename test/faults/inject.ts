/** Injects planned faults, several at once, and judges what each has left. */
import { planOf, type Random } from "./plan.ts";
import type { FaultWorld, Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { callsOf, runWith, type Fault } from "./strace.ts";

export interface Result {
  readonly scenario: string;
  readonly fault: Fault;
  readonly isHit: boolean;
  /** What is wrong; undefined when all is as it must be. */
  readonly problem: string | undefined;
}

export interface InjectOptions {
  /** Faults for each scenario. */
  readonly count: number;
  readonly perCall: number;
  readonly random: Random;
  readonly atOnce: number;
  /** Of the names of scenarios; all, when it is empty. */
  readonly only?: string;
  readonly onResult?: (result: Result) => void;
}

export async function injectAll(world: FaultWorld, options: InjectOptions): Promise<Result[]> {
  const stages = Array.from({ length: options.atOnce }, () => world.stage());
  const results: Result[] = [];
  try {
    for (const scenario of world.scenarios) {
      if (!scenario.name.includes(options.only ?? "")) continue;
      const faults = await plan(scenario, stages[0], options);
      await Promise.all(
        stages.map(async (stage) => {
          for (let fault = faults.pop(); fault !== undefined; fault = faults.pop()) {
            const result = await inject(scenario, fault, stage);
            results.push(result);
            options.onResult?.(result);
          }
        }),
      );
    }
    return results;
  } finally {
    for (const stage of stages) stage.remove();
  }
}

async function plan(
  scenario: Scenario,
  stage: Stage | undefined,
  options: InjectOptions,
): Promise<Fault[]> {
  if (stage === undefined) throw new Error("no stage");
  stage.set(scenario.scene);
  const points = await callsOf(scenario.program(stage), stage.directory);
  const problem = await stage.problem(scenario);
  if (points.length === 0 || problem !== undefined) {
    throw new Error(`${scenario.name} does not even work undisturbed: ${problem ?? "no calls"}`);
  }
  return planOf(points, options);
}

async function inject(scenario: Scenario, fault: Fault, stage: Stage): Promise<Result> {
  stage.set(scenario.scene);
  const { isHit, isLate } = await runWith(fault, scenario.program(stage));
  const isHanging = isLate && scenario.mayHang?.(fault) !== true;
  const problem = isHanging ? "it does not end" : await stage.problem(scenario, fault);
  return { scenario: scenario.name, fault, isHit, problem };
}
