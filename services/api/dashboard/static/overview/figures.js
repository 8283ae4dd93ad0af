/** The figures at the top: a card each, with its change. */

import { element, fault } from '../elements.js';
import { METRICS, changeOf } from './metrics.js';
import { asked } from '../question.js';
import { comparison } from './comparison.js';

const TOGETHER = ['sessions', 'visitors', 'conversion_rate', 'bounce_rate', 'duration_avg'];
const ORDER = ['sessions', 'visitors', 'conversion_rate', 'bounce_rate', 'revenue', 'duration_avg'];

/** @typedef {import('../views.js').Context} Context @typedef {{figure: string, words?: string, tone?: string, hint?: string}} Told */

/**
 * @param {Context} context
 * @returns {{cards: HTMLElement[], done: Promise<any>}} `done` gives the answer to the numbers that are asked for together
 */
export function figures(context) {
  const places = Object.fromEntries(ORDER.map((name) => [name, element('div', { class: 'told', 'aria-busy': 'true' })]));
  const cards = ORDER.map((name) => element('section', { class: 'card sixth', 'aria-label': METRICS[name].title },
    element('h2', {}, METRICS[name].title), places[name]));
  const include = { comparison: comparison(context.state), so_far: true };
  const together = asked(context, { metrics: TOGETHER, include });
  const money = asked(context, { metrics: ['revenue', 'orders'], dimensions: ['currency'], include });
  const filled = [
    fill(TOGETHER.map((name) => places[name]), together.then((answer) => TOGETHER.map((name, at) => told(answer, name, at)))),
    fill([places.revenue], money.then((answer) => [revenue(answer)])),
  ];
  return { cards, done: Promise.all([together, ...filled]).then(([answer]) => answer) };
}

/** @param {HTMLElement[]} places @param {Promise<Told[]>} answers */
async function fill(places, answers) {
  try {
    const found = await answers;
    places.forEach((place, at) => place.replaceChildren(...shown(found[at])));
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return;
    places.forEach((place) => place.replaceChildren(fault(error)));
  } finally {
    places.forEach((place) => place.removeAttribute('aria-busy'));
  }
}

/** @param {Told} told */
function shown({ figure, words, tone, hint }) {
  return [
    element('p', { class: 'figure' }, figure),
    element('p', { class: `change ${tone || ''}`.trim() }, words || ' '),
    element('p', { class: 'quiet' }, hint || ' '),
  ];
}

/** @param {any} answer @param {string} name @param {number} at @returns {Told} */
function told(answer, name, at) {
  const row = answer.results[0] || { metrics: [] };
  const metric = METRICS[name];
  const about = answer.meta.estimated.includes(name) ? '≈ ' : '';
  const value = (/** @type {number | null | undefined} */ found) => (found === null || found === undefined ? '–' : about + metric.show(found));
  return { figure: value(row.metrics[at]), ...compared(name, row.comparison, at, value) };
}

/** @param {string} name @param {any} comparison @param {number} at @param {(value: number | null) => string} value */
function compared(name, comparison, at, value) {
  if (!comparison) return {};
  const change = comparison.change[at];
  return { ...changeOf(METRICS[name], change), hint: change === null ? '' : `${value(comparison.metrics[at])} before` };
}

/** Of each currency apart, the largest first. @param {any} answer @returns {Told} */
function revenue(answer) {
  const [first, ...others] = answer.results.filter((/** @type {any} */ row) => Number(row.metrics[0]) !== 0);
  if (!first) return { figure: '0', hint: 'no orders' };
  const of = (/** @type {any} */ row) => METRICS.revenue.show(row.metrics[0], row.dimensions[0]);
  const value = (/** @type {any} */ amount) => METRICS.revenue.show(amount, first.dimensions[0]);
  const found = { figure: of(first), ...compared('revenue', first.comparison, 0, value) };
  return others.length ? { ...found, hint: `and ${others.map(of).join(', ')}` } : found;
}
