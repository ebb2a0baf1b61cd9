import { expect } from 'vitest';

/** Who may ask, and who must get no answer, by what the test calls them. */
export interface Askers<Who> {
  answered: Who;
  refused: Readonly<Record<string, Who>>;
}

/**
 * Asserts that a question is answered to one and to none of the others. The one asks before the others and after them: that
 * these get no answer is then neither for want of the program that asks, nor of a server that runs.
 * @param ask resolves to the answer, or to undefined, false or an empty text without one
 */
export async function expectAnsweredOnly<Who>(
  { answered, refused }: Askers<Who>,
  ask: (who: Who) => Promise<string | boolean | undefined>,
): Promise<void> {
  expect(await ask(answered), 'who may ask is answered').toBeTruthy();
  for (const [name, who] of Object.entries(refused)) expect(await ask(who), `${name} is not answered`).toBeFalsy();
  expect(await ask(answered), 'who may ask is still answered').toBeTruthy();
}
