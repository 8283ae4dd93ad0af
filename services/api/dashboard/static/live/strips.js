/** The strips of the live view: what each shows of the seconds or the minutes. */

import { card, element } from '../elements.js';
import { compact, duration, money, number } from '../format.js';
import { perSecond } from './figures.js';
import { MINUTES, SECONDS } from './numbers.js';
import { Strip } from './strip.js';

const MINUTE_MS = 60_000;
const RECENT = 15; // minutes that are shown at least, however few there are yet
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const STATISTICS = [
  { name: 'avg', colour: 1 }, { name: 'p50', colour: 3 }, { name: 'p90', colour: 2 }, { name: 'p99', colour: 4 },
  { name: 'max', colour: 6, hidden: true },
];

/** @typedef {'minute' | 'second'} Period */

export class Strips {
  /** @param {(at: number) => string} clock */
  constructor(clock) {
    const bars = (/** @type {string} */ title, /** @type {number} */ colour, more = {}) => new Strip({
      title, kind: 'bars', series: [{ name: title, colour }], format: number, clock, height: 150, ...more,
    });
    const lines = (/** @type {string} */ title, /** @type {any} */ more) =>
      new Strip({ title, kind: 'lines', series: STATISTICS, clock, ...more });
    this.clicks = bars('Clicks per second', 1, { format: perSecond, height: 214 });
    this.durations = lines('session_duration', { format: duration, seconds: true });
    this.events = lines('session_events', { format: tenths.format });
    this.closed = bars('Sessions closed', 5);
    this.conversions = bars('Conversions per minute', 3);
    this.revenue = bars('Revenue per minute', 2, { format: (/** @type {number} */ value) => money(value, null), axis: compact });
    /** @type {Period} */
    this.period = 'minute';
    this.#label();
  }

  /** @param {Period} period */
  by(period) {
    this.period = period;
    for (const what of [this.of, this.ofEvents, this.ofClosed]) what.textContent = `by the ${period}`;
  }

  #label() {
    [this.of, this.ofEvents, this.ofClosed] = Array.from({ length: 3 }, () => element('span', {}));
    this.by('minute');
    const hint = (/** @type {any[]} */ ...told) => element('p', { class: 'quiet hint' }, ...told);
    this.clicksCard = card('Clicks per second', 'two-thirds', hint('the last five minutes'), this.clicks.element);
    this.cards = [
      card('session_duration', 'half', hint('seconds · ', this.of), this.durations.element),
      card('session_events', 'half', hint('clicks a session · ', this.ofEvents), this.events.element),
      card('Sessions closed', 'quarter', hint(this.ofClosed), this.closed.element),
      card('Conversions', 'quarter', hint('per minute'), this.conversions.element),
      card('Revenue', 'quarter', hint('per minute'), this.revenue.element),
    ];
  }

  /** @param {import('./numbers.js').Numbers} numbers */
  draw(numbers) {
    const seconds = numbers.whole;
    const end = seconds.length ? seconds[seconds.length - 1].at + 1_000 : Date.now();
    const short = /** @type {const} */ ([end - SECONDS * 1_000, end, 1_000]);
    const long = /** @type {const} */ ([begin(numbers.minutes, end), floor(end - 1) + MINUTE_MS, MINUTE_MS]);
    this.clicks.draw(seconds.map(({ at, clicks }) => ({ at, values: [clicks] })), ...short);
    this.#drawClosed(this.period === 'second' ? seconds : numbers.minutes, ...(this.period === 'second' ? short : long));
    this.conversions.draw(numbers.minutes.map(({ at, conversions }) => ({ at, values: [conversions] })), ...long);
    this.revenue.draw(numbers.minutes.map(({ at, revenue }) => ({ at, values: [revenue] })), ...long);
  }

  /** @param {{at: number, session_duration: any, session_events: any}[]} points @param {number} begin @param {number} end @param {number} every */
  #drawClosed(points, begin, end, every) {
    const span = /** @type {const} */ ([begin, end, every]);
    this.durations.draw(points.map(({ at, session_duration: of }) => ({ at, values: values(of) })), ...span);
    this.events.draw(points.map(({ at, session_events: of }) => ({ at, values: values(of) })), ...span);
    this.closed.draw(points.map(({ at, session_duration: { count } }) => ({ at, values: [count] })), ...span);
  }
}

/** In the order of STATISTICS. @param {import('./numbers.js').Statistics} of */
const values = ({ count, sum, p50, p90, p99, max }) => [count ? sum / count : null, p50, p90, p99, max];

/** @param {number} at */
const floor = (at) => at - (at % MINUTE_MS);

/** @param {{at: number}[]} minutes @param {number} end */
function begin(minutes, end) {
  const first = minutes.length ? minutes[0].at : end;
  return floor(Math.max(end - MINUTES * MINUTE_MS, Math.min(first, end - RECENT * MINUTE_MS)));
}
