/** A funnel as bars, one a step, and its groups as a table. */

import { card, element, table } from '../elements.js';
import { duration, number, percent } from '../format.js';

/** @param {number | null} share from 0 to 1 */
const shown = (share) => (share === null || share === undefined ? '–' : percent(100 * share));

/** @param {any} funnel the API's answer */
export function bars(funnel) {
  const unit = funnel.counted;
  const steps = funnel.steps.map((/** @type {any} */ step, /** @type {number} */ at) => element('li', {},
    element('div', { class: 'step-head' },
      element('strong', {}, step.event.join(' or ')),
      element('span', { class: 'number' }, `${number(step.count)} ${unit}`)),
    element('div', { class: 'track' }, element('div', { class: 'bar-of', style: `width: ${100 * (step.of_first || 0)}%` })),
    element('p', { class: 'quiet' }, at === 0 ? first(step, unit) : told(step))));
  return card('From step to step', 'wide', element('ol', { class: 'funnel' }, ...steps));
}

/** @param {any} step @param {string} unit */
function first(step, unit) {
  return step.count ? '100 % of those that begin' : `No ${unit} begin so`;
}

/** @param {any} step */
function told(step) {
  const after = step.median_s === null || step.median_s === undefined ? '' : `, ${duration(step.median_s)} after it (median)`;
  return `${shown(step.of_previous)} of the step before${after} · ${shown(step.of_first)} of the first · ${number(step.dropped)} dropped`;
}

/** @param {any} funnel @param {string} title of the breakdown */
export function groups(funnel, title) {
  if (!funnel.breakdown) return null;
  const steps = funnel.steps.map((/** @type {any} */ step) => ({ title: step.event.join(' or '), number: true }));
  const columns = [{ title }, ...steps, { title: 'Conversion', number: true }];
  const rows = funnel.breakdown.map((/** @type {any} */ group) => [
    group.other ? 'all others' : group.value ?? 'none',
    ...group.steps.map((/** @type {any} */ step) => number(step.count)),
    shown(group.conversion),
  ]);
  return card(`By ${title.toLowerCase()}`, '', table(columns, rows, `The funnel by ${title.toLowerCase()}`));
}

/** @param {any} funnel */
export function summary(funnel) {
  const [begin, end] = [funnel.steps[0], funnel.steps[funnel.steps.length - 1]];
  return element('div', { class: 'grid figures' },
    figure('Conversion', shown(funnel.conversion), 'from the first step to the last'),
    figure('Begin', number(begin.count), funnel.counted),
    figure('Come through', number(end.count), funnel.counted));
}

/** @param {string} title @param {string} value @param {string} hint */
function figure(title, value, hint) {
  return card(title, 'third', element('p', { class: 'figure' }, value), element('p', { class: 'quiet' }, hint));
}
