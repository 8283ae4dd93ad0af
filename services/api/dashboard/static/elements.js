/**
 * Elements of the page. Text becomes text nodes and never markup, so nothing that came with a click is run.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * element('a', {href: '/live', class: 'x', 'aria-current': 'page', onclick: act}, 'Live')
 *
 * A property that is null, undefined or false is left out, one that is true has no value.
 * @param {string} name
 * @param {Record<string, any>} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (key === 'value') /** @type {any} */ (made).value = value;
    else made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...children.flat().filter((child) => child || child === 0).map((child) => child instanceof Node ? child : String(child)));
  return made;
}

/** @param {string} title @param {string} width '', quarter, third or half @param {...(Child | Child[])} children */
export function card(title, width, ...children) {
  return element('section', { class: `card ${width}`.trim(), 'aria-label': title }, element('h2', {}, title), ...children);
}

/** One number with its name and what it means. @param {string} title @param {string} figure @param {string} hint */
export function figureCard(title, figure, hint, tone = '') {
  const shown = element('p', { class: `figure ${tone}`.trim() }, figure);
  return card(title, 'quarter', shown, element('p', { class: 'quiet' }, hint));
}

/**
 * @param {{title: Child, number?: boolean, sort?: 'ascending' | 'descending'}[]} columns
 * @param {Child[][]} rows
 * @param {string} caption for who does not see where it stands
 */
export function table(columns, rows, caption) {
  const of = (/** @type {number} */ at) => (columns[at].number ? 'number' : null);
  const head = columns.map((column, at) => element('th', { scope: 'col', class: of(at), 'aria-sort': column.sort }, column.title));
  const body = rows.map((row) => element('tr', {}, ...row.map((cell, at) => element('td', { class: of(at) }, cell))));
  const made = element('table', {},
    element('caption', { class: 'unseen' }, caption),
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...body));
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, made);
}

/** @param {string} label @param {Child[]} options @param {Record<string, any>} properties */
export function choice(label, options, properties) {
  return element('label', { class: 'choice' }, label, element('select', properties, ...options));
}

/** @param {string} value @param {string} text @param {string} chosen */
export function option(value, text, chosen) {
  return element('option', { value, selected: value === chosen }, text);
}

/** Nothing to show yet, and what to do about it. @param {string} title @param {...Child} advice */
export function empty(title, ...advice) {
  return element('section', { class: 'card empty' }, element('h2', {}, title), ...advice);
}

/** @param {unknown} error */
export function fault(error) {
  const told = error instanceof Error ? error.message : String(error);
  return element('p', { class: 'fault', role: 'alert' }, told);
}
