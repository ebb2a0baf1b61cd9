/**
 * Run by environment.test.ts in a mount namespace of its own: makes and removes a network, each step after the shell
 * commands that change the machine. Says what each step ended with.
 */
import { execFileSync } from 'node:child_process';
import {
  type AttachOptions,
  diagnose,
  type Host,
  type HostOptions,
  type Network,
  openHost,
} from '../../../src/index.js';

export interface Script {
  options: HostOptions;
  steps: Step[];
}

/** `name` is that of the network; it has DHCP. */
export type Step =
  | { step: 'sh'; command: string }
  | { step: 'open'; options?: Partial<HostOptions> }
  | { step: 'create'; provideDns?: boolean }
  | { step: 'doctor' }
  | { step: 'attach'; options: AttachOptions }
  | { step: 'remove' };

export interface Outcome {
  step: string;
  stdout?: string;
  warnings?: readonly string[];
  error?: Record<string, unknown>;
}

let host: Host | undefined;
let network: Network | undefined;

async function take(step: Step, { options }: Script): Promise<Partial<Outcome>> {
  if (step.step === 'sh') return { stdout: execFileSync('sh', ['-c', step.command], { encoding: 'utf8' }) };
  if (step.step === 'open') {
    host = await openHost({ ...options, ...step.options });
    const { warnings } = host.info;
    return warnings === undefined ? {} : { warnings };
  }
  if (step.step === 'doctor') {
    const findings = await diagnose();
    return { stdout: findings.map(({ severity, code, subject }) => `${severity} ${code} ${subject}`).join('\n') };
  }
  if (step.step === 'create') {
    const { provideDns = false } = step;
    network = await host?.createNetwork({ name: 'demo', netblock: '172.16.0.0/24', provideDns });
  }
  if (step.step === 'attach') await network?.attach(step.options);
  if (step.step === 'remove') {
    await network?.delete();
    await host?.drained();
    await host?.teardown();
  }
  return {};
}

const script = JSON.parse(process.argv[2] as string) as Script;
const outcomes: Outcome[] = [];
for (const step of script.steps) {
  try {
    outcomes.push({ step: step.step, ...(await take(step, script)) });
  } catch (error) {
    const { toJSON, name, message } = error as Error & { toJSON?: () => Record<string, unknown> };
    outcomes.push({ step: step.step, error: toJSON?.call(error) ?? { name, message } });
  }
}
await host?.close();
process.stdout.write(JSON.stringify(outcomes));
