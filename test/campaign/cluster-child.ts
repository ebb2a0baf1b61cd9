/** Agent of one node of cluster.ts. It is killed at random times. */
import { runAgent } from '../../src/agent/agent.js';
import type { AgentConfig } from '../../src/agent/config.js';

const ended = new AbortController();
process.once('SIGTERM', () => ended.abort());
process.once('message', async (config: AgentConfig) => {
  await runAgent(config, { signal: ended.signal, write: (line) => process.send?.(line) });
  process.disconnect();
});
process.send?.('ready');
