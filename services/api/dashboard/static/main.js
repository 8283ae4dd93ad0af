/** The dashboard: shows the view that the address names, and again when something else is chosen. */

import { ApiProblem, ask } from './api.js';
import { element, fault } from './elements.js';
import { buildFrame } from './frame.js';
import { open, read, written } from './state.js';
import { viewAt } from './views.js';

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
const told = /** @type {HTMLElement} */ (document.getElementById('told'));
let shown = new AbortController();
/** @type {import('./frame.js').Offers} */
let offers = { sites: [], together: true, windows: [] };

async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const [view, state] = [viewAt(location.pathname), read()];
  document.title = `${view.title} · Clickloom`;
  buildFrame(view, state, offers);
  const place = element('div');
  main.classList.add('waiting');
  main.setAttribute('aria-busy', 'true');
  try {
    const { show } = await view.load();
    await show(place, { state, signal, ask: (path, more) => ask(path, { ...more, signal }) });
  } catch (error) {
    if (signal.aborted) return;
    place.append(fault(error));
    if (!(error instanceof ApiProblem)) console.error(error);
  }
  if (signal.aborted) return;
  replaceShown(place);
  main.classList.remove('waiting');
  main.removeAttribute('aria-busy');
  told.textContent = `${view.title} is shown`;
}

/** The keyboard goes on where it was, if that is there again. @param {HTMLElement} place */
function replaceShown(place) {
  const focused = main.contains(document.activeElement) && document.activeElement?.id;
  main.replaceChildren(place);
  if (focused) document.getElementById(focused)?.focus();
}

/** What there is to choose, and an address that says all that is chosen. */
async function begin() {
  try {
    const [sites, windows] = await Promise.all([ask('/v1/sites'), ask('/v1/windows')]);
    offers = { ...sites, ...windows };
  } catch (error) {
    main.replaceChildren(fault(error)); // the view tries for itself
  }
  const state = read();
  if (!offers.together && !state.site) state.site = offers.sites[0]?.site_id || '';
  if (offers.windows.length && !offers.windows.includes(state.window)) state.window = offers.windows[0];
  history.replaceState(null, '', `/${viewAt(location.pathname).path}${written(state)}`);
  await show();
}

/** Links within the dashboard change what is shown, not the page. @param {MouseEvent} event */
function follow(event) {
  const link = event.target instanceof Element && event.target.closest('a[data-view]');
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  open(/** @type {string} */ (link.getAttribute('href')));
}

document.addEventListener('click', follow);
addEventListener('popstate', show);
addEventListener('statechange', show);
begin();
