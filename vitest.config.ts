import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { patience } from './test/support/patience.js';

const seconds = patience(1000);

/** Projects with longer tests come first: a long file that began last would leave one of the workers with nothing to do. */
const ORDER = ['e2e', 'integration', 'kernel', 'unit'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((left, right) => ORDER.indexOf(left.project.name) - ORDER.indexOf(right.project.name));
  }
}

// Time-outs are against hanging only: machines that run this may be busy with other things.

/**
 * Tests of the unit project are of functions alone: they need neither root, nor etcd, dnsmasq or the addon. Those of the
 * integration project need the addon, etcd, files or processes. Those of the kernel and e2e projects need root as well,
 * and without it are shown as skipped (test/support `privileged`).
 */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // For the processes of the test files alone: scripts/test-asan.mjs.
    env: JSON.parse(process.env.VETHWORK_TEST_ENV ?? '{}'),
    setupFiles: process.env.VETHWORK_TEST_SETUP ?? [],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // They share nothing that one could leave behind, and load the sources once.
          isolate: false,
          testTimeout: 60 * seconds,
          hookTimeout: 60 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 120 * seconds,
          hookTimeout: 120 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 180 * seconds,
          hookTimeout: 180 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 240 * seconds,
          hookTimeout: 240 * seconds,
        },
      },
    ],
  },
});
