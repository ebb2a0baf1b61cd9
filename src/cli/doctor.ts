import type { Command } from 'commander';
import type { DiagnosisOptions } from '../doctor/index.js';
import { formatFindings } from '../format/finding.js';
import { defined } from '../util/defined.js';
import { type App, print } from './app.js';
import { exitCodes } from './error.js';
import { globalsOf } from './globals.js';
import { examples } from './help.js';

export function addDoctorCommand(program: Command, app: App): void {
  program
    .command('doctor')
    .description(
      'check this machine for problems that prevent networks from working; exit code 1 if there is an error or warning',
    )
    .addHelpText('after', examples('doctor', 'doctor --egress-nic eth0 --json'))
    .action(async (_flags: object, command: Command) => {
      const globals = globalsOf(command);
      const { storedSettings } = await import('../host/stored-settings.js');
      const { netns, egressNic, vxlanPort } = await storedSettings(globals.stateDir);
      const { diagnose } = await import('../doctor/index.js');
      const given = defined({ netns: globals.hostNetns, egressNic: globals.egressNic });
      const findings = await diagnose({ ...defined({ netns, egressNic, vxlanPort } as DiagnosisOptions), ...given });
      print(app, globals.json === true, findings, formatFindings(findings));
      const hasProblems = findings.some(({ severity }) => severity !== 'note');
      app.exitCode = hasProblems ? exitCodes.failure : exitCodes.ok;
    });
}
