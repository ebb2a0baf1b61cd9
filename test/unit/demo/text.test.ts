import { describe, expect, it } from 'vitest';
import { parsePackets } from '../../../src/demo/capture.js';
import { type Check, formatReport, summarise, wrap } from '../../../src/demo/report.js';

describe('the output of tcpdump', () => {
  it('is parsed into packets, without ports and other protocols', () => {
    const text = [
      'IP 10.0.0.1 > 192.168.15.29: ICMP echo request, id 1, seq 1, length 64',
      'ARP, Request who-has 192.168.15.29 tell 192.168.15.1, length 28',
      'IP 10.0.0.1.40000 > 192.168.15.29.8080: tcp 0',
      '',
    ].join('\n');
    expect(parsePackets(text)).toEqual([
      { source: '10.0.0.1', destination: '192.168.15.29', info: 'ICMP echo request, id 1, seq 1, length 64' },
      { source: '10.0.0.1', destination: '192.168.15.29', info: 'tcp 0' },
    ]);
  });
});

describe('the report', () => {
  const good: Check = { chapter: 'One', name: 'a', passed: true };
  const bad: Check = { chapter: 'Two', name: 'b', passed: false, detail: 'got c' };

  it('passes when every check passed and nothing is left behind', () => {
    expect(summarise([good], [])).toEqual({ passed: true, checks: [good], leftovers: [] });
  });

  it('names the first check that failed', () => {
    const report = summarise([good, bad, { ...bad, name: 'c' }], []);
    expect(report).toMatchObject({ passed: false, failed: 'Two: b' });
    const text = formatReport(report);
    expect(text).toContain('1 of 3 checks passed.\nFailed at Two: b.');
    expect(text).toMatch(/^Two +b +FAILED +got c$/m);
  });

  it('fails when something is left behind', () => {
    const report = summarise([good], ['namespace x']);
    expect(report.passed).toBe(false);
    expect(formatReport(report)).toContain('Could not be removed: namespace x');
  });
});

describe('paragraphs', () => {
  it('are wrapped between words', () => {
    expect(wrap('  aa bb\n    cc dd ', 5)).toBe('aa bb\ncc dd');
  });
});
