import { expect } from 'vitest';

/** The client that must get a response, and the clients that must not, by their names in the test. */
export interface Askers<Who> {
  answered: Who;
  refused: Readonly<Record<string, Who>>;
}

/**
 * Asserts that one client gets a response and the others do not. The allowed client asks before and after the others
 * (positive control), so that a missing response is not caused by a missing program or a stopped server.
 * @param ask resolves to the response, or to undefined, false or an empty text without one
 */
export async function expectAnsweredOnly<Who>(
  { answered, refused }: Askers<Who>,
  ask: (who: Who) => Promise<string | boolean | undefined>,
): Promise<void> {
  expect(await ask(answered), 'who may ask is answered').toBeTruthy();
  for (const [name, who] of Object.entries(refused)) expect(await ask(who), `${name} is not answered`).toBeFalsy();
  expect(await ask(answered), 'who may ask is still answered').toBeTruthy();
}
