/** The form that chooses sessions, with what there is as suggestions. */

import { element, option } from '../elements.js';
import { asked } from '../question.js';
import { change, read } from '../state.js';
import { FORM, filtersOf, valueIn } from './fields.js';

const SUGGESTED = 50;
let unfolded = false; // as the person left it, when what is shown is shown anew

/** @param {import('../views.js').Context} context */
export function filterForm(context) {
  const { filters } = context.state;
  const form = /** @type {HTMLFormElement} */ (element('form', { class: 'fields', onsubmit: apply },
    ...FORM.map((field) => labelled(field, valueIn(field, filters))),
    element('p', { class: 'quiet' }, 'Several values with | between them: any of these.'),
    element('div', { class: 'buttons' },
      element('button', { id: 'clear', type: 'button', onclick: () => change({ filters: [] }) }, 'Clear'),
      element('button', { id: 'apply', class: 'primary' }, 'Apply'))));
  const details = element('details', { class: 'card', open: unfolded }, element('summary', { id: 'choose' }, 'Choose sessions'), form);
  const opened = () => {
    unfolded = details.hasAttribute('open');
    if (unfolded && !form.querySelector('option[data-suggested]')) suggest(form, context);
  };
  details.addEventListener('toggle', opened);
  return details;
}

/** @param {import('./fields.js').FormField} field @param {string} value */
function labelled({ name, title, kind, hint, suggest }, value) {
  if (kind === 'truth') {
    const options = [option('', 'either', value), option('true', 'yes', value), option('false', 'no', value)];
    return element('label', {}, title, element('select', { name, id: `of-${name}` }, ...options));
  }
  const list = suggest && element('datalist', { id: `known-${name}` });
  const input = element('input', {
    name, id: `of-${name}`, value, placeholder: hint, autocomplete: 'off', list: suggest && `known-${name}`,
    type: kind === 'number' ? 'number' : 'text', min: kind === 'number' && 0,
    pattern: kind === 'experiment' && '[^:]+:.+', title: kind === 'experiment' && 'name:variant, as checkout:A',
  });
  return element('label', {}, title, input, list);
}

/** @param {Event} event */
function apply(event) {
  event.preventDefault();
  const said = new FormData(/** @type {HTMLFormElement} */ (event.target));
  change({ filters: filtersOf(read().filters, /** @type {Record<string, string>} */ (Object.fromEntries(said))) });
}

/** The most frequent values of the range, whatever is filtered by. Without them the form works as well. @param {HTMLFormElement} form @param {import('../views.js').Context} context */
async function suggest(form, context) {
  const everything = { ...context, state: { ...context.state, filters: [] } };
  const lists = FORM.filter(({ suggest, field }) => suggest && field !== 'event');
  await Promise.all(lists.map(async ({ field }) => {
    const found = await asked(everything, { metrics: ['sessions'], dimensions: [field], limit: SUGGESTED }).catch(() => ({ results: [] }));
    const values = found.results.map((/** @type {any} */ row) => row.dimensions[0]).filter(Boolean);
    for (const name of field === 'end_navigation' ? [field, 'event'] : [field]) offer(form, name, values);
  }));
}

/** @param {HTMLFormElement} form @param {string} name @param {string[]} values */
function offer(form, name, values) {
  const options = values.map((value) => element('option', { value, 'data-suggested': '' }));
  form.querySelector(`#known-${name}`)?.replaceChildren(...options);
}
