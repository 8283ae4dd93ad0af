/** Questions about sessions of what is chosen. */

import { dateRange } from './state.js';

/** The members that all questions share. @param {import('./state.js').State} state @param {Record<string, any>} more */
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

/** @param {import('./views.js').Context} context @param {Record<string, any>} more @returns {Promise<any>} */
export function asked({ state, ask }, more) {
  return ask('/v1/query', { method: 'POST', body: question(state, more) });
}
