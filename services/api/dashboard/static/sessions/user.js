/** What one user did: clicks and sessions by time, the newest first. */

import { withQuery } from '../api.js';
import { card, element, empty } from '../elements.js';
import { day, duration, moment, money, number } from '../format.js';
import { stretch } from '../ranges.js';
import { address } from '../state.js';
import { backLink, pageCursors, pageOr, pages, sessionLink } from './links.js';
import { outcome } from './table.js';
import { step, timeline } from './timeline.js';

const A_PAGE = 100;

/** @typedef {import('../state.js').State} State */

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function showUser(place, { state, ask }) {
  const { user } = state.own;
  const [begin, end] = stretch(state).map((moment) => new Date(moment).toISOString());
  const of = { window: state.window, site_id: state.site, from: begin, to: end, limit: A_PAGE, cursor: pageCursors(state, 'pages').at(-1) };
  const { found, moved } = await pageOr(ask(withQuery(`/v1/users/${encodeURIComponent(user)}/timeline`, of)), state, 'pages');
  place.append(element('p', {}, backLink(state)), title(user, state));
  if (moved) place.append(moved);
  else if (!found.timeline.length) place.append(nothing(state));
  else place.append(card('What happened, the newest first', '', ...days(found.timeline, state), pages(state, 'pages', found.next_cursor, 'clicks and closed sessions')));
}

/** @param {string} user @param {State} state */
function title(user, state) {
  const filters = [['is', 'user_id', [user]]];
  return element('div', { class: 'title' }, element('h1', {}, `User ${user}`),
    element('a', { href: address('overview', { ...state, filters }), 'data-view': 'overview' }, 'Overview of this user'),
    element('a', { href: address('sessions', { ...state, filters }), 'data-view': 'sessions' }, 'Sessions of this user'));
}

/** @param {any[]} items @param {State} state */
function days(items, state) {
  /** @type {Map<string, any[]>} */
  const found = new Map();
  for (const item of items) {
    const date = day(item.at, state.zone);
    found.set(date, [...(found.get(date) || []), item]);
  }
  return [...found].flatMap(([date, those]) => [element('h3', {}, date), timeline(date, those.map((item) => shown(item, state)))]);
}

/** @param {any} item @param {State} state */
function shown({ at, kind, click, session }, state) {
  const when = moment(at, state.zone, { timeStyle: 'medium' });
  if (kind === 'session') return begun(when, session, state);
  const told = [pathOf(click.page_url), click.device_type, click.revenue && money(click.revenue, click.currency), click.is_bot && 'bot'];
  return step(when, element('strong', {}, click.client_event), element('span', { class: 'quiet' }, told.filter(Boolean).join(' · ')));
}

/** @param {string} when @param {any} session @param {State} state */
function begun(when, session, state) {
  const events = `${number(session.events)} ${session.events === 1 ? 'event' : 'events'}`;
  const made = step(when, sessionLink(state, session, `Session ${session.session_id} begins`),
    element('span', { class: 'quiet' }, `${events} · ${duration(session.duration_sec)}`), ...outcome(session));
  made.classList.add('begin');
  return made;
}

/** @param {string | null} address */
function pathOf(address) {
  return address && address.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/[?#].*/, '');
}

/** @param {State} state */
function nothing(state) {
  const longer = address('sessions', { ...state, range: '12mo' }, state.own);
  return empty('Nothing is known of this user in this time',
    state.range !== '12mo' && element('p', {}, element('a', { href: longer, 'data-view': 'sessions' }, 'Look at the last 12 months')),
    element('p', {}, 'Ids are told exactly: “ada” is not “Ada”.'));
}
