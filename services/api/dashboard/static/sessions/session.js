/** One session: what is known of it, and its path as a timeline. */

import { ApiProblem, withQuery } from '../api.js';
import { card, element, empty } from '../elements.js';
import { duration, moment, money, number } from '../format.js';
import { backLink, userLink } from './links.js';
import { origin, outcome } from './table.js';
import { offset, step, timeline } from './timeline.js';

/** @typedef {import('../views.js').Context} Context */

/** @type {Record<string, string>} */
const REVISED = {
  extended: 'clicks that came late made it longer',
  merged: 'clicks that came late joined it with another',
  recut: 'clicks that came late moved where a long visit is cut',
  imported: 'history was imported',
};
/** @type {Record<string, string>} */
const CLOSED = {
  gap: 'no click came for longer than the gap',
  range: 'the minute was over',
  cap: 'it had lasted as long as a session may',
};

/** @param {HTMLElement} place @param {Context} context */
export async function showSession(place, context) {
  const { state } = context;
  const session = await found(context);
  const back = element('p', {}, backLink(state));
  if (!session) {
    place.append(element('div', { class: 'title' }, element('h1', {}, 'Session')), back, gone());
    return;
  }
  const title = element('div', { class: 'title' }, element('h1', {}, `Session ${session.session_id}`),
    element('p', { class: 'quiet' }, moment(session.begin_session, state.zone)), ...outcome(session));
  place.append(back, title, element('div', { class: 'grid' }, facts(session, state), path(session, state)));
}

/** Closed, or going on; null if neither. @param {Context} context @returns {Promise<any>} */
async function found({ state, ask }) {
  const { session, visitor } = state.own;
  try {
    return await ask(`/v1/sessions/${encodeURIComponent(session)}`);
  } catch (error) {
    if (!(error instanceof ApiProblem && error.status === 404)) throw error;
  }
  if (!visitor) return null;
  const of = { window: state.window, site_id: state.site, user_id: visitor, limit: 1000 };
  const { sessions } = await ask(withQuery('/v1/sessions/open', of));
  return sessions.find((/** @type {any} */ one) => one.session_uid === session) || null;
}

function gone() {
  return empty('This session is not there',
    element('p', {}, 'It never was, or a click that came late made another of it, which begins earlier or holds it. Look for its user in the list.'));
}

/** @param {any} session @param {import('../state.js').State} state */
function facts(session, state) {
  const closed = 'closed_by' in session;
  /** @type {[string, any][]} */
  const known = [
    ['User', userLink(state, session.user_id)],
    ['Device', session.device_id === session.device_type ? session.device_type : `${session.device_type} · ${session.device_id}`],
    ['Site', session.site_id],
    ['Began', moment(session.begin_session, state.zone)],
    [closed ? 'Ended' : 'Last event', moment(session.end_session, state.zone)],
    ['Duration', duration(session.duration_sec)],
    ['Events', number(session.events)],
    ['Came from', origin(session)],
    ['Referrer', session.referrer],
    ['Entry page', session.entry_url],
    ['Experiments', Object.entries(session.experiments || {}).map(([name, variant]) => `${name}: ${variant}`).join(', ')],
    ['Revenue', Number(session.revenue) ? `${money(session.revenue, session.currency)} in ${number(session.orders)} ${session.orders === 1 ? 'order' : 'orders'}` : ''],
    ['Closed because', closed ? CLOSED[session.closed_by] || session.closed_by : 'it still goes on'],
    ['Revised because', session.revised_because && `${REVISED[session.revised_because] || session.revised_because} (version ${session.version})`],
  ];
  const shown = known.filter(([, value]) => value);
  return card('What is known', 'third', element('dl', { class: 'facts' },
    ...shown.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])));
}

/** @param {any} session @param {import('../state.js').State} state */
function path(session, state) {
  const begin = Date.parse(session.begin_session);
  const steps = session.path.map(({ event, offset_ms: at }, /** @type {number} */ place) => {
    const since = place ? at - session.path[place - 1].offset_ms : 0;
    return step(offset(at), element('strong', {}, event),
      element('span', { class: 'quiet' }, moment(begin + at, state.zone, { timeStyle: 'medium' }), place > 0 && ` · ${duration(since / 1000)} later`));
  });
  const more = session.path_truncated && element('p', { class: 'quiet' }, `These are the first ${number(session.path.length)} of ${number(session.events)} events.`);
  return card('What happened', 'wide', timeline('Events of the session', steps), more);
}
