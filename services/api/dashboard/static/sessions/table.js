/** Sessions as a table, closed or open. */

import { element, table } from '../elements.js';
import { duration, money, moment, number } from '../format.js';
import { link, sessionLink, userLink } from './links.js';

/** @typedef {import('../state.js').State} State */

const SORTED = ['begin_session', 'duration_sec', 'events', 'revenue'];

/** @param {State} state as `-begin_session` */
export function order({ own }) {
  return SORTED.includes((own.order || '').replace(/^-/, '')) ? own.order : '-begin_session';
}

/** @param {any[]} sessions @param {State} state @param {boolean} sortable */
export function sessionTable(sessions, state, sortable) {
  const heading = (/** @type {string} */ title, /** @type {string} */ field, numeric = false) =>
    ({ ...(sortable ? sorting(title, field, state) : { title }), number: numeric });
  const columns = [
    heading('Begin', 'begin_session'), { title: 'User' }, { title: 'Device' }, heading('Duration', 'duration_sec', true),
    heading('Events', 'events', true), { title: 'First → last event' }, { title: 'Came from' }, heading('Revenue', 'revenue', true), { title: 'Outcome' },
  ];
  return table(columns, sessions.map((session) => row(session, state)), 'Sessions');
}

/** A heading that sorts; once more, the other way round. @param {string} title @param {string} field @param {State} state */
function sorting(title, field, state) {
  const now = order(state);
  const down = now === `-${field}`;
  const sorted = now === field || down;
  const own = { order: down ? field : `-${field}`, cursor: '' };
  const shown = link(state, own, { id: `sort-${field}`, class: 'sort' }, title, element('span', { 'aria-hidden': 'true' }, sorted ? (down ? ' ▾' : ' ▴') : ''));
  return { title: shown, ...(sorted && { sort: /** @type {'ascending' | 'descending'} */ (down ? 'descending' : 'ascending') }) };
}

/** @param {any} session @param {State} state */
function row(session, state) {
  const began = moment(session.begin_session, state.zone, { dateStyle: 'medium', timeStyle: 'medium' });
  return [
    sessionLink(state, session, element('span', { class: 'when' }, began)),
    userLink(state, session.user_id),
    session.device_type,
    duration(session.duration_sec),
    number(session.events),
    session.events === 1 ? session.begin_navigation : `${session.begin_navigation} → ${session.end_navigation}`,
    origin(session),
    Number(session.revenue) ? money(session.revenue, session.currency) : '',
    outcome(session),
  ];
}

/** @param {any} session */
export function origin({ utm_source: source, utm_campaign: campaign, referrer }) {
  if (source || campaign) return [source, campaign].filter(Boolean).join(' · ');
  return referrer ? host(referrer) : '';
}

/** @param {string} address */
function host(address) {
  try {
    return new URL(address).host.replace(/^www\./, '') || address;
  } catch (error) {
    return address;
  }
}

/** @param {any} session */
export function outcome({ converted, bounced, version }) {
  return [
    converted && element('span', { class: 'mark good' }, 'converted'),
    bounced && element('span', { class: 'mark' }, 'bounced'),
    version > 1 && element('span', { class: 'mark' }, 'revised'),
  ];
}
