/** Addresses within Sessions. What was chosen in the list stays, so that the way back leads to where one was. */

import { ApiProblem } from '../api.js';
import { element, empty } from '../elements.js';
import { address } from '../state.js';

/** @typedef {import('../state.js').State} State */

/**
 * A link to the list, a session or a user; a value that is empty is taken out of the address.
 *
 * @param {State} state @param {Record<string, string>} own @param {Record<string, any>} properties
 * @param {...import('../elements.js').Child} children
 */
export function link(state, own, properties, ...children) {
  const chosen = Object.fromEntries(Object.entries({ ...state.own, ...own }).filter(([, value]) => value));
  return element('a', { href: address('sessions', state, chosen), 'data-view': 'sessions', ...properties }, ...children);
}

/** @param {State} state @param {any} session @param {...import('../elements.js').Child} children */
export function sessionLink(state, session, ...children) {
  const own = { session: session.session_uid, visitor: state.own.open ? session.user_id : '', user: '' };
  return link(state, own, { class: 'filter' }, ...children);
}

/** @param {State} state @param {string} user */
export function userLink(state, user) {
  return link(state, { user, session: '', visitor: '', pages: '' }, { class: 'filter' }, user);
}

/** @param {State} state */
export function backLink(state) {
  return link(state, { session: '', visitor: '', user: '', pages: '' }, { id: 'back' }, '← All sessions');
}

/**
 * Next and previous page. `cursor` holds the way: the cursor of every page after the first, up to the one that is shown.
 *
 * @param {State} state @param {string} name of the parameter @param {string | null} next @param {string} caption
 */
export function pages(state, name, next, caption) {
  const way = pageCursors(state, name);
  const to = (/** @type {string[]} */ cursors) => ({ [name]: cursors.join() });
  return element('nav', { class: 'pages', 'aria-label': 'Pages' },
    way.length > 0 && link(state, to(way.slice(0, -1)), { id: 'previous', class: 'button' }, '← Previous'),
    element('span', { class: 'quiet' }, way.length || next ? `Page ${way.length + 1} · ${caption}` : caption),
    next && link(state, to([...way, next]), { id: 'next', class: 'button' }, 'Next →'));
}

/**
 * The page that is asked for, or where to go if it is none any more: a named range moves on with the clock, and a cursor
 * is of one list.
 *
 * @param {Promise<any>} answer @param {State} state @param {string} name of the parameter
 * @returns {Promise<{found?: any, moved?: HTMLElement}>}
 */
export async function pageOr(answer, state, name) {
  try {
    return { found: await answer };
  } catch (error) {
    const stale = error instanceof ApiProblem && error.errors.some(({ field }) => field === 'cursor');
    if (!stale) throw error;
    return { moved: empty('The list has moved on since', element('p', {}, link(state, { [name]: '' }, {}, 'Go to its first page'))) };
  }
}

/** @param {State} state @param {string} name @returns {string[]} */
export function pageCursors({ own }, name) {
  return (own[name] || '').split(',').filter(Boolean);
}
