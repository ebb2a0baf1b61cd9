import { expect, test } from 'vitest';
import { KernelError, ValidationError } from '../../../src/errors.js';
import type { Operation } from '../../../src/kernel/index.js';
import { openOwnKernel } from '../../../src/kernel/open-kernel.js';
import { rejection } from '../../support/kernel.js';
import { privileged, TestNamespace } from '../../support/namespaces.js';

/** Operations that are as they should be when they are sent, and not any more when they are to be undone. */
test.skipIf(!privileged)('an error of the roll-back is part of the error that caused it', async () => {
  await using namespace = await TestNamespace.create('undo');
  const kernel = openOwnKernel(undefined);
  const netns = namespace.name;
  let reads = 0;
  const set = {
    op: 'link.set',
    netns,
    link: { index: 1 },
    changes: { group: 7 },
    get undo() {
      return reads++ === 0 ? { group: 0 } : { group: 'none' };
    },
  } as unknown as Operation;
  const failing: Operation = { op: 'link.set', netns, link: { index: 999_999 }, changes: { up: true } };
  const error = await rejection(kernel.transaction([set, failing]));
  await kernel.close();
  expect(error).toBeInstanceOf(KernelError);
  expect(error).toMatchObject({ code: 'ENODEV', index: 1 });
  const [undone, ...others] = (error as KernelError).rollbackErrors;
  expect(others).toEqual([]);
  expect(undone?.cause).toBeInstanceOf(ValidationError);
});
