/** A stretch of time at a glance, beside the one before. Every card asks for itself and fills itself. */

import { card, choice, element, empty, fault, option } from '../elements.js';
import { day } from '../format.js';
import { durations } from '../overview/durations.js';
import { figures } from '../overview/figures.js';
import { METRICS } from '../overview/metrics.js';
import { chosenMetric, metricChoice, overTime } from '../overview/over_time.js';
import { COMPARISONS, comparison } from '../overview/comparison.js';
import { RANKINGS, ranked } from '../overview/rankings.js';
import { devices, firstEvents } from '../overview/shares.js';
import { stretch } from '../ranges.js';
import { address, choose } from '../state.js';

const PATIENCE_MS = 300; // so long what was shown before stays, rather than empty cards

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function show(place, context) {
  const { cards, done } = figures(context);
  const grid = element('div', { class: 'grid overview' }, ...cards);
  const filled = [
    filling(grid, `${METRICS[chosenMetric(context.state)].title} over time`, 'time', overTime(context), metricChoice(context.state)),
    filling(grid, 'First event of the session', 'third share', firstEvents(context)),
    filling(grid, 'Total duration by device', 'third share', devices(context)),
    filling(grid, 'Duration of sessions', 'third share', durations(context)),
    ...RANKINGS.map((ranking) => filling(grid, ranking.title, 'third ranking', ranked(context, ranking))),
  ];
  const nothing = done.then((answer) => answer.results[0]?.metrics[0] || grid.replaceWith(nobody(context.state)), () => {});
  place.append(title(context.state), grid);
  await Promise.race([Promise.all([nothing, ...filled]), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

/**
 * A card whose place is kept until the answer is there.
 *
 * @param {HTMLElement} grid @param {string} title @param {string} kind @param {Promise<any>} content @param {HTMLElement} [choice]
 */
async function filling(grid, title, kind, content, choice) {
  const body = element('div', { class: 'body', 'aria-busy': 'true' });
  const made = card(title, kind, body);
  if (choice) made.prepend(element('div', { class: 'head' }, made.querySelector('h2'), choice));
  grid.append(made);
  try {
    body.replaceChildren(...[await content].flat());
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) body.replaceChildren(fault(error));
  }
  body.removeAttribute('aria-busy');
}

/** @param {import('../state.js').State} state */
function title(state) {
  const options = COMPARISONS.map(([name, words]) => option(name, words, comparison(state) || 'none'));
  const onchange = (/** @type {Event} */ event) => choose({ compare: /** @type {HTMLSelectElement} */ (event.target).value });
  return element('div', { class: 'title' }, element('h1', {}, 'Overview'),
    element('p', { class: 'quiet' }, dates(state)), choice('Compared with', options, { id: 'compare', onchange }));
}

/** @param {import('../state.js').State} state */
function dates(state) {
  const [begin, end] = stretch(state);
  const [first, last] = [day(begin, state.zone), day(end - 1, state.zone)];
  return first === last ? first : `${first} – ${last}`;
}

/** @param {import('../state.js').State} state */
function nobody(state) {
  const link = (/** @type {Partial<import('../state.js').State>} */ changes, /** @type {string} */ words) =>
    element('p', {}, element('a', { href: address('overview', { ...state, ...changes }, state.own), 'data-view': 'overview' }, words));
  return empty('No session began in this time',
    state.filters.length > 0 && link({ filters: [] }, 'Show all sessions, without the filters'),
    state.range !== '12mo' && link({ range: '12mo' }, 'Show the last 12 months'),
    element('p', {}, 'A session is told here when it has closed, after half an hour without a click. Whether clicks come in at all says ',
      element('a', { href: address('health', state), 'data-view': 'health' }, 'Health'), '.'));
}
