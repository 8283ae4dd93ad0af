/**
 * The events that occur, to choose from.
 *
 * @typedef {{event: string, sessions: number, place: number}} Known  `place`: where in its sessions it first comes, on average
 */

import { element } from './elements.js';
import { compact } from './format.js';
import { question } from './question.js';

export const EVENT_LIST = 'known-events';

/**
 * Those of the range's newest sessions, the most frequent first, whatever is filtered by. None if that cannot be told:
 * names can be typed as well.
 *
 * @param {import('./views.js').Context} context @returns {Promise<Known[]>}
 */
export async function knownEvents({ state, ask, signal }) {
  try {
    const body = question({ ...state, filters: [] }, {});
    return (await ask('/v1/event-names', { method: 'POST', body })).events;
  } catch (error) {
    if (signal.aborted) throw error;
    return [];
  }
}

/** What inputs with `list: EVENT_LIST` suggest. @param {Known[]} events */
export function eventList(events) {
  return element('datalist', { id: EVENT_LIST }, ...events.map(({ event, sessions }) =>
    element('option', { value: event, label: `${event} (${compact(sessions)} sessions)` })));
}

/** Several names stand with | between them. @param {string} text */
export const namesIn = (text) => text.split('|').map((name) => name.trim()).filter(Boolean);
