/** What to do when no event comes. */

import { element, empty } from '../elements.js';

/** @param {string} title */
export function nothing(title) {
  return empty(title,
    element('p', {}, 'A page sends its visitors’ clicks with one line:'),
    element('pre', { tabindex: '0' }, element('code', {}, `<script defer src="${location.origin}/t.js"></script>`)),
    element('p', {}, element('a', { href: '/docs' }, 'The API’s page'), ' has the other ways, to try out.'));
}
