/** The names of events, to choose from. */

import { element } from './elements.js';
import { asked } from './question.js';

const MOST = 50;
export const EVENT_LIST = 'known-events';

/**
 * Those that sessions of the range begin and end with, the most frequent first, whatever is filtered by. None if that
 * cannot be told: names can be typed as well.
 *
 * @param {import('./views.js').Context} context @returns {Promise<string[]>}
 */
export async function knownEvents(context) {
  const everything = { ...context, state: { ...context.state, filters: [] } };
  const lists = await Promise.all(['begin_navigation', 'end_navigation'].map(async (field) => {
    const { results } = await asked(everything, { metrics: ['sessions'], dimensions: [field], limit: MOST });
    return results.map((/** @type {any} */ row) => row.dimensions[0]);
  })).catch((error) => {
    if (context.signal.aborted) throw error;
    return [];
  });
  return [...new Set(lists.flat())];
}

/** What inputs with `list: EVENT_LIST` suggest. @param {string[]} names */
export function eventList(names) {
  return element('datalist', { id: EVENT_LIST }, ...names.map((value) => element('option', { value })));
}

/** Several names stand with | between them. @param {string} text */
export const namesIn = (text) => text.split('|').map((name) => name.trim()).filter(Boolean);
