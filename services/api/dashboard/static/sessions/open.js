/** Questions for sessions that go on: they can be chosen by less than closed ones. */

import { withQuery } from '../api.js';
import { sentence } from '../filters.js';

/** @type {Record<string, string>} */
const PARAMETERS = {
  'is user_id': 'user_id',
  'is device_id': 'device_id',
  'is event': 'event',
  'at_least duration_sec': 'min_duration_sec',
  'at_most duration_sec': 'max_duration_sec',
};

/**
 * The path, and those filters in words that it cannot hold.
 *
 * @param {import('../state.js').State} state @returns {{path: string, left: string[]}}
 */
export function openQuestion({ site, window, filters }) {
  /** @type {Record<string, any>} */
  const parameters = { window, site_id: site };
  const left = [];
  for (const filter of filters) {
    const name = parameterOf(filter);
    if (name && !(name in parameters)) [parameters[name]] = filter[2];
    else left.push(sentence(filter));
  }
  return { path: withQuery('/v1/sessions/open', parameters), left };
}

/** @param {any} filter */
function parameterOf(filter) {
  const one = Array.isArray(filter) && Array.isArray(filter[2]) && filter[2].length === 1;
  return one ? PARAMETERS[`${filter[0]} ${filter[1]}`] : undefined;
}
