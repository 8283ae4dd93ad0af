/** Stretches of time: when a range begins and ends, and how finely it is told. */

import { local } from './format.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * [begin, end) in ms, as the API understands the range; days are those of the zone.
 *
 * @param {{range: string, zone: string}} state @param {number} [now]
 * @returns {[number, number]}
 */
export function stretch({ range, zone }, now = Date.now()) {
  if (range === '24h') {
    const hour = Math.floor(now / HOUR_MS) * HOUR_MS;
    return [hour - 23 * HOUR_MS, hour + HOUR_MS];
  }
  const [first, last] = range.includes(',') ? range.split(',') : named(range, local(now, zone).slice(0, 10));
  return [midnight(first, zone), midnight(later(last, 1), zone)];
}

/** The first and the last date. @param {string} range @param {string} today */
function named(range, today) {
  const month = `${today.slice(0, 8)}01`;
  /** @type {Record<string, string>} */
  const firsts = { day: today, '7d': later(today, -6), '30d': later(today, -29), month, '12mo': elevenMonthsBefore(month) };
  return [firsts[range], today];
}

/** @param {string} date @param {number} days */
function later(date, days) {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);
}

/** @param {string} month its first date */
function elevenMonthsBefore(month) {
  const date = new Date(month);
  date.setUTCMonth(date.getUTCMonth() - 11);
  return date.toISOString().slice(0, 10);
}

/** The moment at which a date begins: the offset is that of the moment, so it is looked up twice. @param {string} date @param {string} zone */
function midnight(date, zone) {
  const wall = Date.parse(date);
  const offset = (/** @type {number} */ moment) => Date.parse(`${local(moment, zone)}Z`) - moment;
  return wall - offset(wall - offset(wall));
}

/** By what a chart cuts the range, so that it has about 7 to 60 points. @param {string} range @returns {'hour' | 'day' | 'week' | 'month'} */
export function unitOf(range) {
  if (!range.includes(',')) return range === 'day' || range === '24h' ? 'hour' : range === '12mo' ? 'month' : 'day';
  const [first, last] = range.split(',').map((date) => Date.parse(date));
  const days = (last - first) / DAY_MS + 1;
  if (days <= 2) return 'hour';
  if (days <= 62) return 'day';
  return days <= 370 ? 'week' : 'month';
}
