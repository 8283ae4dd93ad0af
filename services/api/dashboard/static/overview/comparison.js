/** What Overview compares with. */

/** @typedef {import('../state.js').State} State */

export const COMPARISONS = [
  ['previous_period', 'the time before'],
  ['year_before', 'the year before'],
  ['none', 'nothing'],
];

/** @param {State} state @returns {string | undefined} what is compared with */
export function comparison({ own }) {
  const chosen = COMPARISONS.some(([name]) => name === own.compare) ? own.compare : 'previous_period';
  return chosen === 'none' ? undefined : chosen;
}
