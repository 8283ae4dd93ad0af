/**
 * The frame around every view: navigation, what is chosen, theme, saved views, signing out.
 *
 * @typedef {{sites: {site_id: string, newest: string | null}[], together: boolean, windows: string[]}} Offers
 */

import { choice, element, option } from './elements.js';
import { filterBar } from './filters.js';
import { savedMenu } from './saved.js';
import { address, change, RANGES } from './state.js';
import { themeChoice } from './themes.js';
import { VIEWS } from './views.js';

const frame = /** @type {HTMLElement} */ (document.getElementById('frame'));

/**
 * @param {import('./views.js').View} view
 * @param {import('./state.js').State} state
 * @param {Offers} offers
 */
export function buildFrame(view, state, offers) {
  const focused = document.activeElement?.id;
  frame.replaceChildren(navigation(view, state), choices(view, state, offers));
  if (focused && frame.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused)?.focus();
}

/** @param {import('./views.js').View} view @param {import('./state.js').State} state */
function navigation(view, state) {
  const links = VIEWS.map(({ path, title }) => element('a', {
    id: `to-${path}`, href: address(path, state), 'data-view': path, 'aria-current': path === view.path && 'page',
  }, title));
  const brand = element('a', { class: 'brand', href: '/' },
    element('img', { src: '/app/icon.svg', alt: '', width: 24, height: 24 }), 'Clickloom');
  const aside = element('div', { class: 'aside' }, shopLink(), savedMenu(view), themeChoice(), signOut());
  return element('div', { class: 'bar' }, brand, element('nav', { class: 'views', 'aria-label': 'Views' }, ...links), aside);
}

function shopLink() {
  return document.body.dataset.shop === 'on' && element('a', { href: '/shop', target: 'shop' }, 'Demo shop');
}

function signOut() {
  if (document.body.dataset.auth !== 'on') return null;
  return element('form', { method: 'post', action: '/signout' }, element('button', { class: 'plain' }, 'Sign out'));
}

/** @param {import('./views.js').View} view @param {import('./state.js').State} state @param {Offers} offers */
function choices(view, state, offers) {
  /** @type {Record<import('./views.js').Choice, () => any>} */
  const made = {
    site: () => siteChoice(state, offers),
    window: () => windowChoice(state, offers),
    range: () => rangeChoice(state),
    zone: () => zoneChoice(state),
    filters: () => filterBar(state),
  };
  return element('div', { class: 'bar', role: 'group', 'aria-label': 'What is shown' },
    ...view.choices.flatMap((name) => made[name]()));
}

/** @param {import('./state.js').State} state @param {Offers} offers */
function siteChoice(state, { sites, together }) {
  const names = including(sites.map((site) => site.site_id), state.site);
  const options = [together && option('', 'All sites', state.site), ...names.map((name) => option(name, name, state.site))];
  return choice('Site', options, { id: 'site', onchange: changing('site') });
}

/** @param {import('./state.js').State} state @param {Offers} offers */
function windowChoice(state, { windows }) {
  const options = including(windows, state.window).map((name) => option(name, name, state.window));
  return choice('Window', options, { id: 'window', onchange: changing('window') });
}

/** @param {import('./state.js').State} state */
function rangeChoice(state) {
  const two = state.range.includes(',');
  const options = [
    ...RANGES.map(([name, title]) => option(name, title, state.range)),
    option('dates', 'From … to', two ? 'dates' : ''),
  ];
  const chosen = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.target);
    change({ range: value === 'dates' ? lastWeek() : value });
  };
  const select = choice('Time', options, { id: 'range', onchange: chosen });
  return two ? [select, ...dateInputs(state)] : [select];
}

function lastWeek() {
  const day = (/** @type {number} */ before) => new Date(Date.now() - before * 86_400_000).toISOString().slice(0, 10);
  return `${day(6)},${day(0)}`;
}

/** @param {import('./state.js').State} state */
function dateInputs(state) {
  const dates = state.range.split(',');
  return dates.map((date, at) => element('label', { class: 'choice' }, at ? 'to' : 'from', element('input', {
    id: `date-${at}`, type: 'date', value: date, min: at ? dates[0] : null, max: at ? null : dates[1],
    onchange: (/** @type {Event} */ event) => {
      const input = /** @type {HTMLInputElement} */ (event.target);
      if (!input.value || !input.reportValidity()) return;
      change({ range: dates.map((old, place) => (place === at ? input.value : old)).join() });
    },
  })));
}

/** @param {import('./state.js').State} state */
function zoneChoice(state) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const names = [...new Set([state.zone, here, 'UTC', ...Intl.supportedValuesOf('timeZone')])];
  return choice('Time zone', names.map((name) => option(name, name, state.zone)), { id: 'zone', onchange: changing('zone') });
}

/** @param {keyof import('./state.js').State} name */
function changing(name) {
  return (/** @type {Event} */ event) => change({ [name]: /** @type {HTMLSelectElement} */ (event.target).value });
}

/** What is chosen is among what there is, even if a link names what is not there. @param {string[]} names @param {string} chosen */
function including(names, chosen) {
  return !chosen || names.includes(chosen) ? names : [...names, chosen];
}
