/** Loaded before the tests of a round: every law of it begins at the round's seed. */
import fc from 'fast-check';

const seed = Number(process.env['WARREN_FUZZ_SEED']);
if (!Number.isSafeInteger(seed)) throw new Error('WARREN_FUZZ_SEED must be a whole number; run npm run fuzz');
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
