/**
 * The numbers that Overview tells, and how.
 *
 * @typedef {{title: string, show: (value: number, currency?: string | null) => string, rate?: boolean, up: string, down: string, better?: 'up' | 'down'}} Metric
 * `up` and `down` say in a word what a change means.
 */

import { decimal, duration, money, number, percent } from '../format.js';

/** @type {Record<string, Metric>} */
export const METRICS = {
  sessions: { title: 'Sessions', show: number, up: 'more', down: 'fewer', better: 'up' },
  visitors: { title: 'Visitors', show: number, up: 'more', down: 'fewer', better: 'up' },
  conversion_rate: { title: 'Conversion rate', show: percent, rate: true, up: 'better', down: 'worse', better: 'up' },
  bounce_rate: { title: 'Bounce rate', show: percent, rate: true, up: 'worse', down: 'better', better: 'down' },
  revenue: { title: 'Revenue', show: roundMoney, up: 'more', down: 'less', better: 'up' },
  duration_avg: { title: 'Average duration', show: duration, up: 'longer', down: 'shorter', better: 'up' },
};

/** Without the small coins of a large amount. @param {number} value @param {string | null} [currency] */
function roundMoney(value, currency = null) {
  return money(value, currency, Math.abs(value) < 10_000 ? undefined : 0);
}

/**
 * A change in words, and whether it is good.
 *
 * @param {Metric} metric @param {number | null} change percent, of a rate percentage points
 * @returns {{words: string, tone: string}}
 */
export function changeOf(metric, change) {
  if (change === null) return { words: 'nothing to compare with', tone: '' };
  const size = `${decimal(Math.abs(change))} ${metric.rate ? 'points' : '%'}`;
  if (size.startsWith(decimal(0))) return { words: '= as before', tone: '' };
  const way = change > 0 ? 'up' : 'down';
  return { words: `${change > 0 ? '▲' : '▼'} ${size} ${metric[way]}`, tone: way === metric.better ? 'good' : 'bad' };
}
