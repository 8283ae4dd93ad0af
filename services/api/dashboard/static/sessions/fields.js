/**
 * The fields of the form that chooses sessions. Each stands for one filter of the address, so that the form, the frame's
 * filters and a link are the same.
 *
 * @typedef {{name: string, title: string, field: string, operator: string, kind: 'text' | 'number' | 'truth' | 'experiment', hint?: string, suggest?: boolean}} FormField
 */

/** @param {string} field @param {string} title @param {Partial<FormField>} [more] @returns {FormField} */
const text = (field, title, more) => ({ name: field, title, field, operator: 'is', kind: 'text', ...more });

/** @param {string} field @param {string} title @returns {FormField[]} */
const bounds = (field, title) => [
  { name: `min_${field}`, title: `${title}, at least`, field, operator: 'at_least', kind: 'number' },
  { name: `max_${field}`, title: `${title}, at most`, field, operator: 'at_most', kind: 'number' },
];

/** @type {FormField[]} */
export const FORM = [
  text('user_id', 'User'),
  text('device_id', 'Device id'),
  text('device_type', 'Device', { suggest: true }),
  text('event', 'Contains event', { suggest: true }),
  text('begin_navigation', 'First event', { suggest: true }),
  text('end_navigation', 'Last event', { suggest: true }),
  text('entry_page', 'Entry page', { suggest: true }),
  text('referrer_host', 'Referrer', { suggest: true }),
  text('utm_source', 'Source', { suggest: true }),
  text('utm_medium', 'Medium', { suggest: true }),
  text('utm_campaign', 'Campaign', { suggest: true }),
  { name: 'experiment', title: 'Experiment', field: 'experiment:', operator: 'is', kind: 'experiment', hint: 'checkout:A' },
  ...bounds('duration_sec', 'Duration (s)'),
  ...bounds('events', 'Events'),
  { name: 'converted', title: 'Converted', field: 'converted', operator: 'is', kind: 'truth' },
  { name: 'bounced', title: 'Bounced', field: 'bounced', operator: 'is', kind: 'truth' },
];

/** The place of the filter that a field of the form stands for, or -1. @param {FormField} field @param {any[]} filters */
export function placeIn(field, filters) {
  const same = (/** @type {any} */ name) => (field.kind === 'experiment' ? String(name).startsWith(field.field) : name === field.field);
  return filters.findIndex((filter) => Array.isArray(filter) && filter[0] === field.operator && same(filter[1]) && Array.isArray(filter[2])
    && filter[2].every((/** @type {any} */ value) => value !== null));
}

/** What the form shows of a filter. @param {FormField} field @param {any[]} filters @returns {string} */
export function valueIn(field, filters) {
  const filter = filters[placeIn(field, filters)];
  if (!filter) return '';
  const values = filter[2].join(' | ');
  return field.kind === 'experiment' ? `${filter[1].slice(field.field.length)}:${values}` : values;
}

/** The filters with what the form says in place of what it said. @param {any[]} filters @param {Record<string, string>} said by the fields' names */
export function filtersOf(filters, said) {
  const replaced = new Set(FORM.map((field) => placeIn(field, filters)));
  const others = filters.filter((_, at) => !replaced.has(at));
  return [...others, ...FORM.filter(({ name }) => said[name]?.trim()).map((field) => filterOf(field, said[field.name].trim()))];
}

/** @param {FormField} field @param {string} written @returns {any[]} */
function filterOf({ field, operator, kind }, written) {
  if (kind === 'number') return [operator, field, [Number(written)]];
  if (kind === 'truth') return [operator, field, [written === 'true']];
  if (kind === 'text') return [operator, field, values(written)];
  const [name, ...variants] = written.split(':');
  return [operator, field + name.trim(), values(variants.join(':'))];
}

/** @param {string} written */
const values = (written) => written.split('|').map((part) => part.trim());
