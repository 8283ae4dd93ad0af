/** Steps that can be changed, and how they are counted. Every change is shown at once. */

import { choice, element, option } from '../elements.js';
import { EVENT_LIST, namesIn } from '../events.js';
import { FIELDS, titleOf } from '../fields.js';
import { choose } from '../state.js';
import { anotherStep, chooseSteps, LEAST, MOST } from './steps.js';

const WITHIN = [['', 'one session'], ['1h', 'an hour, of a user'], ['24h', 'a day, of a user'], ['7d', '7 days, of a user'], ['30d', '30 days, of a user']];
const CLICK_FIELDS = ['page_url', 'referrer', 'utm_source', 'utm_medium', 'utm_campaign', 'device_type', 'revenue'];
const BREAKDOWNS = ['device_type', 'utm_source', 'utm_campaign', 'referrer_host', 'entry_page', 'begin_navigation', 'experiment:landing', 'experiment:checkout'];

/** @param {import('./steps.js').Step[]} steps @param {import('../events.js').Known[]} known @param {import('../state.js').State} state */
export function editor(steps, known, { own }) {
  const full = steps.length === MOST;
  const add = element('button', { id: 'add-step', type: 'button', disabled: full, onclick: () => chooseSteps([...steps, anotherStep(steps, known)]) }, '+ Step');
  return element('div', { class: 'funnel-editor' },
    element('ol', { class: 'steps' }, ...steps.map((step, at) => stepFields(step, at, steps))),
    element('div', { class: 'pages' }, add, full && element('span', { class: 'quiet' }, `${MOST} steps at the most`)),
    element('div', { class: 'choices' },
      choice('Order', [option('loose', 'anything may lie between', own.order), option('strict', 'nothing may lie between', own.order)],
        { id: 'order', onchange: choosing('order') }),
      choice('Within', WITHIN.map(([value, words]) => option(value, words, own.within || '')), { id: 'within', onchange: choosing('within') }),
      choice('By', [option('', 'nothing', own.breakdown || ''), ...BREAKDOWNS.map((name) => option(name, titleOf(name), own.breakdown || ''))],
        { id: 'breakdown', onchange: choosing('breakdown') })));
}

/** @param {string} name */
function choosing(name) {
  return (/** @type {Event} */ event) => choose({ [name]: /** @type {HTMLSelectElement} */ (event.target).value });
}

/** @param {import('./steps.js').Step} step @param {number} at @param {import('./steps.js').Step[]} steps */
function stepFields(step, at, steps) {
  const replaced = (/** @type {import('./steps.js').Step} */ other) => chooseSteps(steps.map((one, place) => (place === at ? other : one)));
  const named = (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const names = namesIn(input.value);
    input.setCustomValidity(names.length ? '' : 'Name an event.');
    if (input.reportValidity()) replaced({ ...step, event: names });
  };
  const input = element('input', {
    id: `step-${at}`, value: step.event.join(' | '), list: EVENT_LIST, autocomplete: 'off', 'aria-label': `Event of step ${at + 1}`,
    title: 'several with | between them: any of these', onchange: named,
  });
  return element('li', {}, input, stepButtons(at, steps), onlyClicks(step, at, replaced));
}

/** @param {number} at @param {import('./steps.js').Step[]} steps */
function stepButtons(at, steps) {
  const button = (/** @type {string} */ id, /** @type {string} */ sign, /** @type {string} */ words, /** @type {boolean} */ disabled, /** @type {() => void} */ onclick) =>
    element('button', { id: `${id}-${at}`, type: 'button', class: 'plain', 'aria-label': `${words} step ${at + 1}`, title: words, disabled, onclick }, sign);
  return element('span', { class: 'step-buttons' },
    button('up', '↑', 'Move up', at === 0, () => chooseSteps(moved(steps, at, at - 1))),
    button('down', '↓', 'Move down', at === steps.length - 1, () => chooseSteps(moved(steps, at, at + 1))),
    button('remove', '✕', 'Remove', steps.length === LEAST, () => chooseSteps(steps.filter((_, place) => place !== at))));
}

/** @param {import('./steps.js').Step[]} steps @param {number} from @param {number} to */
function moved(steps, from, to) {
  const others = steps.filter((_, place) => place !== from);
  return [...others.slice(0, to), steps[from], ...others.slice(to)];
}

/** One condition on the step's click, which is enough for most. @param {import('./steps.js').Step} step @param {number} at @param {(step: import('./steps.js').Step) => void} replaced */
function onlyClicks(step, at, replaced) {
  const [operator, field, values] = step.filters?.[0] || ['contains', '', ['']];
  const select = element('select', { id: `field-${at}`, 'aria-label': `Field of the click of step ${at + 1}` },
    option('', 'any click', field), ...CLICK_FIELDS.map((name) => option(name, titleOf(name), field)));
  const value = element('input', { id: `value-${at}`, value: values.join(' | '), 'aria-label': `Its value, of step ${at + 1}`, hidden: !field, autocomplete: 'off' });
  const sign = element('span', { class: 'quiet', hidden: !field }, operator.replaceAll('_', ' '));
  const changed = () => {
    const name = /** @type {HTMLSelectElement} */ (select).value;
    const text = /** @type {HTMLInputElement} */ (value).value;
    if (name && !text) return [value, sign].forEach((one) => one.removeAttribute('hidden')), value.focus();
    const { filters, ...bare } = step;
    replaced(name ? { ...bare, filters: [conditionOn(name, text)] } : bare);
  };
  select.addEventListener('change', changed);
  value.addEventListener('change', changed);
  return element('span', { class: 'step-click' }, select, sign, value);
}

/** @param {string} field @param {string} text */
function conditionOn(field, text) {
  if (FIELDS[field]?.kind === 'number') return ['at_least', field, [Number(text) || 0]];
  return ['contains', field, namesIn(text)];
}
