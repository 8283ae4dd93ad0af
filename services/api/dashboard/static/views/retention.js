/** Whether users come back, by the period of their first session. */

import { card, choice, element, empty, option } from '../elements.js';
import { EVENT_LIST, eventList, knownEvents } from '../events.js';
import { day, moment, month, number, percent } from '../format.js';
import { question } from '../question.js';
import { unitOf } from '../ranges.js';
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
      found.cohorts.length ? card('Users who come back', '', grid(found.cohorts, period), note(period)) : nobody()));
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

/** @param {any[]} cohorts @param {string} period */
function grid(cohorts, period) {
  const width = Math.max(...cohorts.map(({ returned }) => returned.length));
  const later = Array.from({ length: width }, (_, at) => at);
  const title = PERIODS.find(([name]) => name === period)?.[1] ?? '';
  const head = [title, 'Users', ...later.map((at) => (at ? `+${at}` : `${title} 0`))];
  const rows = cohorts.map(({ cohort, size, returned }) => element('tr', {},
    element('th', { scope: 'row' }, period === 'month' ? month(cohort) : day(cohort, 'UTC')),
    element('td', { class: 'number' }, number(size)),
    ...later.map((at) => cell(returned[at], size))));
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Retention' },
    element('table', { class: 'retention' },
      element('caption', { class: 'unseen' }, `Share of users with a session so many ${period}s after their first`),
      element('thead', {}, element('tr', {}, ...head.map((words, at) => element('th', { scope: 'col', class: at && 'number' }, words)))),
      element('tbody', {}, average(cohorts, later), ...rows)));
}

/** Of all cohorts that have come so far, together. @param {any[]} cohorts @param {number[]} later */
function average(cohorts, later) {
  const sum = (/** @type {number[]} */ values) => values.reduce((all, value) => all + value, 0);
  return element('tr', { class: 'all' },
    element('th', { scope: 'row' }, 'All'), element('td', { class: 'number' }, number(sum(cohorts.map(({ size }) => size)))),
    ...later.map((at) => {
      const there = cohorts.filter(({ returned }) => at < returned.length);
      return cell(sum(there.map(({ returned }) => returned[at])), sum(there.map(({ size }) => size)));
    }));
}

/** @param {number | undefined} users @param {number} size */
function cell(users, size) {
  if (users === undefined || !size) return element('td', {});
  const share = 100 * users / size;
  const told = `${number(users)} of ${number(size)} users`;
  return element('td', { class: 'number share-of', style: `--share: ${share.toFixed(1)}%`, title: told },
    percent(share), element('span', { class: 'unseen' }, `, ${told}`));
}

/** @param {string} period */
function note(period) {
  return element('p', { class: 'quiet' }, `The first and the last ${period} may be in the chosen time only in part.`);
}

function nobody() {
  return empty('No user had a first session in this time',
    element('p', {}, 'Choose a longer time, or fewer filters. Who had a session before it is not new, unless “first seen in this time” is chosen.'));
}
