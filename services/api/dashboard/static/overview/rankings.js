/** Where sessions come from and where they begin: the most frequent, with bars. */

import { element, table } from '../elements.js';
import { number, percent } from '../format.js';
import { filterLink } from './links.js';
import { asked } from '../question.js';

const MOST = 8;

/** @type {{title: string, dimension: string, column: string, none: string}[]} */
export const RANKINGS = [
  { title: 'Top entry pages', dimension: 'entry_page', column: 'Page', none: 'No page' },
  { title: 'Top referrers', dimension: 'referrer_host', column: 'Referrer', none: 'Direct, or not told' },
  { title: 'Top campaigns', dimension: 'utm_campaign', column: 'Campaign', none: 'No campaign' },
];

/** @param {import('../views.js').Context} context @param {typeof RANKINGS[0]} ranking */
export async function ranked(context, { title, dimension, column, none }) {
  const { results } = await asked(context,
    { metrics: ['sessions', 'conversion_rate'], dimensions: [dimension], include: { totals: true }, limit: MOST });
  const most = Math.max(...results.map((/** @type {any} */ row) => row.metrics[0]), 1);
  const rows = results.map(({ dimensions: [value], metrics: [sessions, rate] }) => [
    bar(sessions / most, filterLink(context.state, ['is', dimension, [value]], value ?? none)), number(sessions), rate === null ? '–' : percent(rate)]);
  return table([{ title: column }, { title: 'Sessions', number: true }, { title: 'Converted', number: true }], rows, title);
}

/** @param {number} share of the most @param {HTMLElement} link */
function bar(share, link) {
  const made = element('div', { class: 'ranked' }, link);
  made.style.setProperty('--share', `${Math.round(share * 100)}%`);
  return made;
}
