/** The numbers of now, each in a card of its own. */

import { card, element } from '../elements.js';
import { duration, money, number } from '../format.js';
import { write } from './strip.js';

const RATE_SECONDS = 5;
const LATE_S = 120; // behind the clock: more than disorder explains
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

/** @param {number} rate @returns {string} a slow one to a tenth */
export const perSecond = (rate) => (rate < 10 ? tenths.format(rate) : number(rate));

/** @typedef {{title: string, name: string, told: (numbers: import('./numbers.js').Numbers, last: any, clock: (at: string) => string) => [string, string, string?]}} Figure */

/** @type {Figure[]} */
const FIGURES = [
  { title: 'Clicks per second', name: 'rate', told: (numbers) =>
    [perSecond(numbers.rate(RATE_SECONDS)), `${number(numbers.lastMinute)} in the last minute`] },
  { title: 'Open sessions', name: 'open', told: (_, last) =>
    [number(last.open_sessions), `${number(last.this_minute.session_duration.count)} closed this minute`] },
  { title: 'Active users', name: 'active', told: (_, last) =>
    [number(last.active_users_5m), `in 5 min, ${number(last.active_users_30m)} in 30`] },
  { title: 'Conversions', name: 'conversions', told: (_, last) => [number(last.this_minute.conversions), 'this minute'] },
  { title: 'Revenue', name: 'revenue', told: (_, last) => [money(last.this_minute.revenue, null), 'this minute'] },
  { title: 'Watermark lag', name: 'lag', told: (_, { watermark, watermark_lag_sec: lag }, clock) => watermark === null
    ? ['–', 'no click yet']
    : [duration(lag), `up to ${clock(watermark)}`, lag > LATE_S ? 'bad' : ''] },
];

export class Figures {
  /** @param {(at: string) => string} clock of an ISO time */
  constructor(clock) {
    this.clock = clock;
    this.shown = FIGURES.map((one) => {
      const [figure, hint] = [element('p', { class: 'figure', id: `live-${one.name}` }, '–'), element('p', { class: 'quiet' }, ' ')];
      return { ...one, figure, hint, card: card(one.title, 'sixth', figure, hint) };
    });
    this.cards = this.shown.map((one) => one.card);
  }

  /** @param {import('./numbers.js').Numbers} numbers */
  draw(numbers) {
    for (const { told, figure, hint } of this.shown) {
      const [value, meaning, tone] = told(numbers, numbers.last, this.clock);
      write(figure, value);
      write(hint, meaning);
      figure.classList.toggle('bad', tone === 'bad');
    }
  }
}
