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

  /** One a strip, so that each has a frame of its own. @param {import('./numbers.js').Numbers} numbers @returns {(() => void)[]} */
  draws(numbers) {
    const minutes = (/** @type {(minute: import('./numbers.js').Minute) => (number | null)[]} */ of) =>
      numbers.minutes.map((minute) => ({ at: minute.at, values: of(minute) }));
    const closed = (/** @type {(one: {session_duration: any, session_events: any}) => (number | null)[]} */ of) =>
      (this.period === 'second' ? numbers.whole : numbers.minutes).map((one) => ({ at: one.at, values: of(one) }));
    const long = () => /** @type {const} */ ([begin(numbers.minutes, end(numbers)), floor(end(numbers) - 1) + MINUTE_MS, MINUTE_MS]);
    const short = () => /** @type {const} */ ([end(numbers) - SECONDS * 1_000, end(numbers), 1_000]);
    const either = () => (this.period === 'second' ? short() : long());
    return [
      () => this.clicks.draw(numbers.whole.map(({ at, clicks }) => ({ at, values: [clicks] })), ...short()),
      () => this.durations.draw(closed((one) => values(one.session_duration)), ...either()),
      () => this.events.draw(closed((one) => values(one.session_events)), ...either()),
      () => this.closed.draw(closed((one) => [one.session_duration.count]), ...either()),
      () => this.conversions.draw(minutes(({ conversions }) => [conversions]), ...long()),
      () => this.revenue.draw(minutes(({ revenue }) => [revenue]), ...long()),
    ];
  }
}

/** Of the last whole second. @param {import('./numbers.js').Numbers} numbers */
function end({ seconds }) {
  const last = seconds.filter(({ complete }) => complete).pop();
  return last ? last.at + 1_000 : Date.now();
}

/** In the order of STATISTICS. @param {import('./numbers.js').Statistics} of */
const values = ({ count, sum, p50, p90, p99, max }) => [count ? sum / count : null, p50, p90, p99, max];

/** @param {number} at */
const floor = (at) => at - (at % MINUTE_MS);

/** @param {{at: number}[]} minutes @param {number} now */
function begin(minutes, now) {
  const first = minutes.length ? minutes[0].at : now;
  return floor(Math.max(now - MINUTES * MINUTE_MS, Math.min(first, now - RECENT * MINUTE_MS)));
}
