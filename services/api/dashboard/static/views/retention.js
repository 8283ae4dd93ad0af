/** Whether users come back, by the period of their first session. */

import { card, choice, element, empty, option } from '../elements.js';
import { EVENT_LIST, eventList, knownEvents } from '../events.js';
import { local, moment } from '../format.js';
import { question } from '../question.js';
import { unitOf } from '../ranges.js';
import { grid } from '../retention/grid.js';
import { choose } from '../state.js';

const PERIODS = [['day', 'Day'], ['week', 'Week'], ['month', 'Month']];

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function show(place, context) {
  const { state, ask } = context;
  const period = PERIODS.some(([name]) => name === state.own.period) ? state.own.period : periodOf(state.range);
  const { event, first } = state.own;
  const names = knownEvents(context);
  const found = await ask('/v1/retention', { method: 'POST', body: question(state, {
    period, ...(event && { returning_event: event }), ...(first && { first }),
  }) });
  const as_of = found.as_of && element('p', { class: 'quiet' }, `Complete up to ${moment(found.as_of, state.zone)}`);
  place.append(element('div', { class: 'title' }, element('h1', {}, 'Retention'), as_of), eventList(await names),
    element('div', { class: 'grid' }, card('What is looked at', '', controls(period, state)),
      found.cohorts.length ? card('Users who come back', '', grid(found.cohorts, period, found.as_of && local(found.as_of, state.zone).slice(0, 10))) : nobody()));
}

/** @param {string} range */
function periodOf(range) {
  const unit = unitOf(range);
  if (unit === 'month' || unit === 'week') return unit;
  return range === '30d' || range === 'month' ? 'week' : 'day';
}

/** @param {string} period @param {import('../state.js').State} state */
function controls(period, { own }) {
  const choosing = (/** @type {string} */ name) => (/** @type {Event} */ event) => choose({ [name]: /** @type {HTMLInputElement} */ (event.target).value });
  return element('div', { class: 'choices' },
    choice('By', PERIODS.map(([value, words]) => option(value, words, period)), { id: 'period', onchange: choosing('period') }),
    element('label', { class: 'choice' }, 'Coming back is', element('input', {
      id: 'returning', value: own.event || '', list: EVENT_LIST, placeholder: 'any session', autocomplete: 'off', onchange: choosing('event') })),
    choice('New are', [option('', 'users never seen before', own.first || ''), option('range', 'users first seen in this time', own.first || '')],
      { id: 'first', onchange: choosing('first') }));
}

function nobody() {
  return empty('No user had a first session in this time',
    element('p', {}, 'Choose a longer time, or fewer filters. Who had a session before it is not new, unless “first seen in this time” is chosen.'));
}
