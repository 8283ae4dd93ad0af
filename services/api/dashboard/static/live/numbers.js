/**
 * The numbers of the last seconds and minutes; no more of them than are shown.
 *
 * @typedef {{count: number, sum: number, min: number | null, max: number | null, p50: number | null, p90: number | null, p99: number | null}} Statistics
 * @typedef {{at: number, complete: boolean, clicks: number, events: Record<string, number>, devices: Record<string, number>, session_duration: Statistics, session_events: Statistics}} Second
 * @typedef {{at: number, upTo: number, conversions: number, revenue: number, session_duration: Statistics, session_events: Statistics}} Minute
 */

export const SECONDS = 300;
export const MINUTES = 60;
const LAST_MINUTE = 60;

export class Numbers {
  /** @type {Second[]} */
  seconds = [];
  /** @type {Minute[]} */
  minutes = [];
  /** @type {any} what the API told last */
  last = null;

  #since = Number.POSITIVE_INFINITY;

  /** What is told from now on is told live; what was before may be filled in. */
  begin() {
    this.#since = Number.POSITIVE_INFINITY;
  }

  /** An event of /v1/live/metrics. @param {any} told */
  take(told) {
    this.last = told;
    this.#since = Math.min(this.#since, Date.parse(told.second));
    this.#put(told);
  }

  /** One from before. @param {any} told @returns {boolean} whether there is more to fill in */
  fill(told) {
    if (Date.parse(told.second) >= this.#since) return false;
    this.#put(told);
    return true;
  }

  /** @param {any} told */
  #put(told) {
    const { complete, clicks, events, devices, session_duration, session_events } = told;
    const second = { at: Date.parse(told.second), complete, clicks, events, devices, session_duration, session_events };
    put(this.seconds, second, second.at, SECONDS + 1);
    const { minute, revenue, ...more } = told.this_minute;
    put(this.minutes, { ...more, at: Date.parse(minute), revenue: Number(revenue), upTo: second.at }, second.at, MINUTES);
  }

  /** Seconds of which nothing more comes. */
  get whole() {
    return this.seconds.filter((second) => second.complete);
  }

  /** Of so many seconds up to the last whole one. @param {number} count */
  rate(count) {
    const counted = this.whole.slice(-count);
    return counted.length ? sum(counted.map(({ clicks }) => clicks)) / counted.length : 0;
  }

  /** Clicks of the last minute, the second that runs included. */
  get lastMinute() {
    return sum(this.seconds.slice(-LAST_MINUTE).map(({ clicks }) => clicks));
  }

  /** Clicks of the last minute by name, the most frequent first. @param {'events' | 'devices'} what */
  ranked(what) {
    /** @type {Record<string, number>} */
    const sums = {};
    for (const second of this.seconds.slice(-LAST_MINUTE)) {
      for (const [name, count] of Object.entries(second[what])) sums[name] = (sums[name] || 0) + count;
    }
    return Object.entries(sums).sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  }
}

/**
 * In the order of time; in place of one of the same time, unless that is told of later.
 * @template {{at: number, upTo?: number}} T @param {T[]} kept @param {T} one @param {number} upTo @param {number} atMost
 */
function put(kept, one, upTo, atMost) {
  let place = kept.length;
  while (place > 0 && kept[place - 1].at > one.at) place -= 1;
  const same = kept[place - 1]?.at === one.at ? kept[place - 1] : undefined;
  if (!same) kept.splice(place, 0, one);
  else if ((same.upTo ?? upTo) <= upTo) kept[place - 1] = one;
  if (kept.length > atMost) kept.shift();
}

/** @param {number[]} values */
const sum = (values) => values.reduce((before, value) => before + value, 0);
