import fc from 'fast-check';

const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

const asCodePoint = (number: number) => (number >= FIRST_SURROGATE && number <= LAST_SURROGATE ? 0xfffd : number);

/**
 * Texts of any code points, half of them ASCII. Equivalent to `fc.string({ unit: 'binary' })`, whose initialization takes a
 * second of CPU time.
 */
export function anyText(options: { maxLength?: number } = {}): fc.Arbitrary<string> {
  const point = fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0x80, max: 0x10ffff }).map(asCodePoint));
  return fc.array(point, options).map((points) => String.fromCodePoint(...points));
}
