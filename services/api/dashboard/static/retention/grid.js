/**
 * Cohorts as a table, coloured by the share of users who came back.
 *
 * @typedef {{cohort: string, size: number, returned: number[]}} Cohort  the API's
 */

import { element } from '../elements.js';
import { day, month, number, percent } from '../format.js';

const sum = (/** @type {number[]} */ values) => values.reduce((all, value) => all + value, 0);

/**
 * The table, and what is to be known of it.
 *
 * @param {Cohort[]} cohorts @param {string} period day, week or month
 * @param {string | null} today the date up to which all is there; null: all there is to come
 */
export function grid(cohorts, period, today) {
  const later = Array.from({ length: Math.max(...cohorts.map(({ returned }) => returned.length)) }, (_, at) => at);
  const running = (/** @type {Cohort} */ { cohort }, /** @type {number} */ at) => today !== null && next(cohort, at, period) > today;
  const most = Math.max(0, ...cohorts.flatMap((one) => one.returned.map((users, at) =>
    at && !running(one, at) ? users / one.size : 0)));
  const rows = cohorts.map((one) => row(name(one.cohort, period), one.size, later.map((at) =>
    cell(one.returned[at], one.size, at ? most : 1, running(one, at)))));
  const table = element('table', { class: 'retention' },
    element('caption', { class: 'unseen' }, `Share of users with a session so many ${period}s after their first`),
    element('thead', {}, head(period, later)),
    element('tbody', {}, together(cohorts, later, most, running), ...rows));
  return [
    element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Retention' }, table),
    element('p', { class: 'quiet' }, note(period, most, cohorts.some((one) => one.returned.some((_, at) => running(one, at))))),
  ];
}

/** The date at which the period after the one `at` periods later begins. @param {string} cohort @param {number} at @param {string} period */
function next(cohort, at, period) {
  const date = new Date(cohort);
  if (period === 'month') date.setUTCMonth(date.getUTCMonth() + at + 1);
  else date.setUTCDate(date.getUTCDate() + (at + 1) * (period === 'week' ? 7 : 1));
  return date.toISOString().slice(0, 10);
}

/** @param {string} cohort @param {string} period */
const name = (cohort, period) => (period === 'month' ? month(cohort) : day(cohort, 'UTC'));

/** @param {string} period @param {number[]} later */
function head(period, later) {
  const title = period[0].toUpperCase() + period.slice(1);
  const words = [title, 'New users', ...later.map((at) => `${title} ${at}`)];
  return element('tr', {}, ...words.map((word, at) => element('th', { scope: 'col', class: at && 'number' }, word)));
}

/** @param {string} title @param {number} size @param {HTMLElement[]} cells */
function row(title, size, cells, properties = {}) {
  return element('tr', properties, element('th', { scope: 'row' }, title), element('td', { class: 'number' }, number(size)), ...cells);
}

/**
 * All cohorts that are so old, together: one of which the period is not over would make it less.
 *
 * @param {Cohort[]} cohorts @param {number[]} later @param {number} most @param {(one: Cohort, at: number) => boolean} running
 */
function together(cohorts, later, most, running) {
  const cells = later.map((at) => {
    const there = cohorts.filter((one) => at < one.returned.length && (!at || !running(one, at)));
    return cell(sum(there.map(({ returned }) => returned[at])), sum(there.map(({ size }) => size)), at ? most : 1, false);
  });
  return row('All', sum(cohorts.map(({ size }) => size)), cells, { class: 'all' });
}

/** @param {number | undefined} users @param {number} size @param {number} most the share that has the darkest colour @param {boolean} running */
function cell(users, size, most, running) {
  if (users === undefined || !size) return element('td', {});
  const share = users / size;
  const told = `${number(users)} of ${number(size)} users${running ? ' so far' : ''}`;
  const shade = `--share: ${Math.min(100, most && 100 * share / most).toFixed(1)}%`;
  return element('td', { class: `number share-of${running ? ' so-far' : ''}`, style: shade, title: told },
    percent(100 * share), element('span', { class: 'unseen' }, `, ${told}`));
}

/** @param {string} period @param {number} most @param {boolean} unfinished */
function note(period, most, unfinished) {
  const scale = most ? `The stronger the colour, the more came back, up to ${percent(100 * most)}. ` : '';
  const italic = unfinished ? `In italics: a ${period} that is not over, so far; All leaves it out. ` : '';
  return `${scale}${italic}The first and the last ${period} may be in the chosen time only in part.`;
}
