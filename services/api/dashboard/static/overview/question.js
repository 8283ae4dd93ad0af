/** What Overview asks of /v1/query, and what one can choose in it. */

import { dateRange } from '../state.js';

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

/** The members that all questions share. @param {State} state @param {Record<string, any>} more */
export function question(state, more) {
  return {
    ...(state.site && { site_id: state.site }),
    window: state.window,
    date_range: dateRange(state),
    timezone: state.zone,
    filters: state.filters,
    ...more,
  };
}

/** @param {import('../views.js').Context} context @param {Record<string, any>} more @returns {Promise<any>} */
export function asked({ state, ask }, more) {
  return ask('/v1/query', { method: 'POST', body: question(state, more) });
}
