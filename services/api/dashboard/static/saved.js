/** Saved views: a name for an address, kept in this browser. Who gets the link needs none of it. */

import { element } from './elements.js';

const KEPT = 'dashboard.views';

/** @returns {{name: string, where: string}[]} */
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) || '[]');
    return Array.isArray(found) ? found.filter(({ where }) => /^\/[a-z]*(\?|$)/.test(where)) : [];
  } catch (error) {
    return [];
  }
}

/** @param {{name: string, where: string}[]} views @returns {boolean} whether the browser keeps them */
function keep(views) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(views));
    return true;
  } catch (error) {
    return false;
  }
}

/** @param {import('./views.js').View} view that is shown */
export function savedMenu(view) {
  const sheet = element('div', { class: 'sheet' });
  const menu = element('details', { class: 'menu' }, element('summary', { id: 'saved' }, 'Saved views'), sheet);
  fill(sheet, view);
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    menu.removeAttribute('open');
    menu.querySelector('summary')?.focus();
  });
  return menu;
}

/** @param {HTMLElement} sheet @param {import('./views.js').View} view */
function fill(sheet, view) {
  const views = kept();
  const links = views.map((saved) => savedItem(saved, () => fill(sheet, view)));
  const list = views.length
    ? element('ul', { class: 'saved' }, ...links)
    : element('p', { class: 'quiet' }, 'None yet. Choose what you look at often, and give it a name.');
  sheet.replaceChildren(list, saveForm(view, () => fill(sheet, view)));
}

/** @param {{name: string, where: string}} saved @param {() => void} changed */
function savedItem({ name, where }, changed) {
  const forget = () => {
    keep(kept().filter((saved) => saved.name !== name));
    changed();
  };
  return element('li', {},
    element('a', { href: where, 'data-view': '' }, name),
    element('button', { class: 'plain', type: 'button', 'aria-label': `Forget ${name}`, onclick: forget }, '✕'));
}

/** @param {import('./views.js').View} view @param {() => void} changed */
function saveForm(view, changed) {
  const name = element('input', { id: 'save-as', required: true, maxlength: 60, placeholder: view.title });
  const saved = (/** @type {Event} */ event) => {
    event.preventDefault();
    const given = /** @type {HTMLInputElement} */ (name).value.trim();
    const others = kept().filter((other) => other.name !== given);
    const done = given && keep([...others, { name: given, where: location.pathname + location.search }]);
    if (done) changed();
  };
  return element('form', { class: 'stacked', onsubmit: saved },
    element('label', {}, 'Save what is shown as', name), element('button', {}, 'Save'));
}
