import { ValidationError } from '../errors.js';
import { isNamespaceMissing } from '../kernel/ensure/observer.js';
import type { NamespaceRef } from '../kernel/namespace.js';
import { openOwnKernel } from '../kernel/open-kernel.js';
import type { OwnKernel } from '../kernel/own-kernel.js';

/** Opens the kernel for a host. @throws ValidationError if the namespace of the host does not exist */
export async function openKernelIn(netns: NamespaceRef | undefined): Promise<OwnKernel> {
  try {
    const kernel = openOwnKernel(netns);
    if (netns !== undefined) await kernel.query('namespace.get', { netns });
    return kernel;
  } catch (error) {
    if (!isNamespaceMissing(error)) throw error;
    throw new ValidationError('netns', netns, 'a network namespace that exists: a name, a path or a process id');
  }
}
