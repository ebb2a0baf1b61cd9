import { defineConfig } from 'vitest/config';

/** Tests with virtual machines (`npm run test:vm`). An emulated machine needs tens of seconds to boot. */
export default defineConfig({
  test: { include: ['test/vm/**/*.test.ts'], pool: 'forks', testTimeout: 600_000, hookTimeout: 600_000 },
});
