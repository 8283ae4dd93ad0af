/** The list of sessions: those that have closed, or those that go on. */

import { download, withQuery } from '../api.js';
import { card, element, empty, fault } from '../elements.js';
import { moment, number } from '../format.js';
import { asked } from '../question.js';
import { stretch } from '../ranges.js';
import { address } from '../state.js';
import { filterForm } from './form.js';
import { link, pageCursors, pageOr, pages } from './links.js';
import { openQuestion } from './open.js';
import { order, sessionTable } from './table.js';

const A_PAGE = 50;
const MOST_ROWS = 10_000; // of a file, as the API gives them

/** @typedef {import('../views.js').Context} Context @typedef {import('../state.js').State} State */

/** @param {HTMLElement} place @param {Context} context */
export async function showList(place, context) {
  const { state, ask } = context;
  const cursor = pageCursors(state, 'cursor').at(-1);
  const { path, left } = state.own.open ? openQuestion(state) : { path: closedPath(state), left: [] };
  const count = state.own.open ? null : counted(context);
  const told = element('p', { class: 'quiet', id: 'count' }, state.own.open ? 'that go on now' : ' ');
  const form = filterForm(context);
  place.append(element('div', { class: 'title' }, element('h1', {}, 'Sessions'), told, switches(state), csv(context, count)), form);
  const { found, moved } = await pageOr(ask(withQuery(path, { limit: A_PAGE, cursor })), state, 'cursor');
  if (left.length) place.append(element('p', { class: 'notice' }, `Open sessions are not chosen by ${left.join(', ')}.`));
  place.append(moved || (found.sessions.length ? list(found, state) : nobody(state)));
  count?.then((all) => told.replaceChildren(`${number(all)} ${all === 1 ? 'session' : 'sessions'}`), () => {});
}

/** @param {State} state */
function closedPath(state) {
  const [begin, end] = stretch(state);
  return withQuery('/v1/sessions', {
    window: state.window,
    site_id: state.site,
    from: new Date(begin).toISOString(),
    to: new Date(end).toISOString(),
    filters: state.filters.length ? JSON.stringify(state.filters) : '',
    order: order(state),
  });
}

/** How many there are, whatever the page. @param {Context} context @returns {Promise<number>} */
async function counted(context) {
  return (await asked(context, { metrics: ['sessions'] })).results[0]?.metrics[0] || 0;
}

/** @param {any} answer @param {State} state */
function list({ sessions, next_cursor: next, as_of: until }, state) {
  const caption = until ? `complete to ${moment(until, state.zone)}` : '';
  return card(state.own.open ? 'Open sessions' : 'Closed sessions', 'list', sessionTable(sessions, state, !state.own.open), pages(state, 'cursor', next, caption));
}

/** @param {State} state */
function switches(state) {
  const to = (/** @type {string} */ open, /** @type {string} */ words) =>
    link(state, { open, cursor: '' }, { id: open ? 'open' : 'closed', 'aria-current': (state.own.open || '') === open && 'true' }, words);
  return element('nav', { class: 'switch', 'aria-label': 'Closed or open' }, to('', 'Closed'), to('1', 'Open now'));
}

/** @param {Context} context @param {Promise<number> | null} count */
function csv({ state, signal }, count) {
  if (!count) return null; // of open sessions the API has no file
  const told = element('span', { class: 'quiet', role: 'status' });
  const button = element('button', { id: 'csv', type: 'button' }, 'Download CSV');
  button.addEventListener('click', async () => {
    button.setAttribute('disabled', '');
    told.replaceChildren();
    try {
      await download(withQuery(closedPath(state), { limit: MOST_ROWS }), 'text/csv', `sessions-${state.range.replace(',', '-to-')}.csv`, signal);
    } catch (error) {
      if (!signal.aborted) told.replaceChildren(fault(error));
    }
    button.removeAttribute('disabled');
  });
  count.then((all) => all > MOST_ROWS && button.replaceChildren(`Download CSV (the first ${number(MOST_ROWS)})`), () => {});
  return element('div', { class: 'aside' }, told, button);
}

/** @param {State} state */
function nobody(state) {
  const to = (/** @type {Partial<State>} */ changes, /** @type {string} */ words) =>
    element('p', {}, element('a', { href: address('sessions', { ...state, ...changes }, state.own), 'data-view': 'sessions' }, words));
  const advice = [
    state.filters.length > 0 && to({ filters: [] }, 'Show all sessions, without the filters'),
    !state.own.open && state.range !== '12mo' && to({ range: '12mo' }, 'Look at the last 12 months'),
    !state.own.open && element('p', {}, link(state, { open: '1', cursor: '' }, {}, 'Look at the sessions that go on now'), ': a session is in the list when it has closed.'),
    Boolean(state.own.open) && element('p', {}, 'Open a page that sends clicks, and its visit is here within a second. ',
      link(state, { open: '', cursor: '' }, {}, 'Look at the sessions that have closed')),
  ];
  return empty(state.own.open ? 'No such session goes on' : 'No such session', ...advice);
}
