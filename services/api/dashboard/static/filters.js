/** Filters: a chip for each, and a dialog that adds one. They are those of /v1/query: [operator, field, values]. */

import { element, option } from './elements.js';
import { FIELDS, OPERATORS, titleOf } from './fields.js';
import { change, read } from './state.js';

/** @param {import('./state.js').State} state */
export function filterBar({ filters }) {
  const chips = filters.map((filter, at) => element('li', { class: 'chip' }, sentence(filter),
    element('button', { type: 'button', 'aria-label': `Remove ${sentence(filter)}`, onclick: () => remove(at) }, '✕')));
  const add = element('button', { id: 'add-filter', type: 'button', onclick: openDialog }, '+ Filter');
  return [chips.length > 0 && element('ul', { class: 'chips', 'aria-label': 'Filters' }, ...chips), add];
}

/** @param {number} at */
function remove(at) {
  change({ filters: read().filters.filter((_, place) => place !== at) });
  document.getElementById('add-filter')?.focus();
}

/** Add one, as a view does when a part of a chart is clicked. @param {any[]} filter */
export function addFilter(filter) {
  change({ filters: withFilter(read().filters, filter) });
}

/** Filters with one more, which is in them once. @param {any[]} filters @param {any[]} filter */
export function withFilter(filters, filter) {
  const written = JSON.stringify(filter);
  return [...filters.filter((other) => JSON.stringify(other) !== written), filter];
}

/** A filter in words. @param {any} filter @returns {string} */
export function sentence(filter) {
  if (!Array.isArray(filter)) return String(filter);
  const [operator, ...rest] = filter;
  if (operator === 'not') return `not (${sentence(rest[0])})`;
  if (operator === 'and' || operator === 'or') return rest[0].map(sentence).join(` ${operator} `);
  const [field, values] = rest;
  const shown = Array.isArray(values) ? values.map((value) => value ?? 'none').join(' or ') : String(values);
  return `${titleOf(String(field))} ${String(operator).replaceAll('_', ' ')} ${shown}`;
}

function openDialog() {
  const dialog = /** @type {HTMLDialogElement} */ (element('dialog', { 'aria-label': 'Add a filter' }));
  const done = () => dialog.close();
  dialog.append(form(done));
  dialog.addEventListener('close', () => {
    dialog.remove();
    document.getElementById('add-filter')?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {() => void} done */
function form(done) {
  const field = select('Field', Object.entries(FIELDS).map(([name, { title }]) => option(name, title, '')));
  const operator = select('', []);
  const value = /** @type {HTMLInputElement} */ (element('input', { required: true, 'aria-label': 'Value', autocomplete: 'off' }));
  const offer = () => operator.replaceChildren(
    ...OPERATORS[FIELDS[field.value].kind].map((name) => option(name, name.replaceAll('_', ' '), '')));
  operator.setAttribute('aria-label', 'Operator');
  field.addEventListener('change', offer);
  offer();
  const added = (/** @type {Event} */ event) => {
    event.preventDefault();
    addFilter([operator.value, field.value, valuesOf(value.value, FIELDS[field.value].kind)]);
    done();
  };
  return element('form', { onsubmit: added },
    element('h2', {}, 'Add a filter'),
    element('label', {}, 'Field', field), operator, value,
    element('p', { class: 'quiet' }, 'Several values with | between them: any of these.'),
    element('div', { class: 'buttons' },
      element('button', { type: 'button', onclick: done }, 'Cancel'), element('button', { class: 'primary' }, 'Add')));
}

/** @param {string} label @param {HTMLElement[]} options */
function select(label, options) {
  return /** @type {HTMLSelectElement} */ (element('select', { 'aria-label': label || null }, ...options));
}

/** @param {string} text @param {string} kind */
function valuesOf(text, kind) {
  const parts = text.split('|').map((part) => part.trim());
  if (kind === 'number') return parts.map(Number).filter(Number.isFinite);
  return kind === 'truth' ? parts.map((part) => part === 'true' || part === 'yes') : parts;
}
