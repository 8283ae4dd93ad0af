/** Sessions one by one: the list, a session's timeline, a user's history; which of them, the address says. */

import { showList } from '../sessions/list.js';
import { showSession } from '../sessions/session.js';
import { showUser } from '../sessions/user.js';

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export function show(place, context) {
  const { session, user } = context.state.own;
  if (session) return showSession(place, context);
  return user ? showUser(place, context) : showList(place, context);
}
