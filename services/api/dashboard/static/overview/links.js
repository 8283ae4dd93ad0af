/** Links that add a filter: the same as a click on a part of a chart, for the keyboard, and to open elsewhere. */

import { element } from '../elements.js';
import { withFilter } from '../filters.js';
import { address } from '../state.js';

/** @param {import('../state.js').State} state @param {any[]} filter @param {...import('../elements.js').Child} children */
export function filterLink(state, filter, ...children) {
  const { cursor, ...own } = state.own;
  const href = address('overview', { ...state, filters: withFilter(state.filters, filter) }, own);
  return element('a', { href, 'data-view': 'overview', class: 'filter' }, ...children);
}
