/** One of the nodes of cluster.ts: its agent, which is killed at any time. */
import { runAgent } from '../../src/agent/agent.js';
import type { AgentConfig } from '../../src/agent/config.js';

const ended = new AbortController();
process.once('SIGTERM', () => ended.abort());
process.once('message', async (config: AgentConfig) => {
  await runAgent(config, { signal: ended.signal, write: (line) => process.send?.(line) });
  process.disconnect();
});
process.send?.('ready');
