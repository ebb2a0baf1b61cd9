import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { patience } from './test/support/patience.js';

const seconds = patience(1000);

/** Order of the projects. Long test files run first, so that no worker is idle at the end. */
const ORDER = ['e2e', 'integration', 'kernel', 'unit'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((left, right) => ORDER.indexOf(left.project.name) - ORDER.indexOf(right.project.name));
  }
}

// Timeouts are long, because they only detect hanging tests. The machine may be under load.

/**
 * Tests of the unit project need neither root, etcd, dnsmasq nor the addon. Tests of the integration project need the
 * addon, etcd, files or processes. Tests of the kernel and e2e projects need root. Without root they are skipped
 * (test/support `privileged`).
 */
export default defineConfig({
  test: {
    pool: 'forks',
    // On two processors: tests wait for the kernel, for timers and for silence about half of the time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // Environment of the processes of the test files (scripts/test-asan.mjs).
    env: JSON.parse(process.env.VETHWORK_TEST_ENV ?? '{}'),
    setupFiles: process.env.VETHWORK_TEST_SETUP ?? [],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Unit tests share no state. Without isolation, the sources are loaded once.
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
