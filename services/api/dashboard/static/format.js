/** Numbers, durations and times for people, in the browser's language and the zone that is chosen. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const tenth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** @param {number} value */
export const number = (value) => whole.format(value);

/** 12.3K of 12,345. @param {number} value */
export const compact = (value) => (Math.abs(value) < 10_000 ? whole : short).format(value);

/** 12.3 of 12.34. @param {number} value */
export const decimal = (value) => tenth.format(value);

/** @param {number} value 12.34 is 12.3 % */
export const percent = (value) => `${tenth.format(value)} %`;

/** @param {number | string} amount @param {string | null} currency three letters @param {number} [digits] behind the point; else the currency's */
export function money(amount, currency, digits) {
  if (!currency) return tenth.format(Number(amount));
  const how = { style: /** @type {const} */ ('currency'), currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(undefined, how).format(Number(amount));
}

/** 2.5 MB. @param {number} size */
export function bytes(size) {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(size, 1)) / 3));
  return `${power ? tenth.format(size / 1000 ** power) : whole.format(size)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** 47 s, 3 min 20 s, 2 h 5 min. @param {number} seconds */
export function duration(seconds) {
  const rounded = Math.round(seconds);
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) return joined(Math.floor(rounded / 60), 'min', rounded % 60, 's');
  return joined(Math.floor(rounded / 3600), 'h', Math.floor((rounded % 3600) / 60), 'min');
}

/** @param {number} large @param {string} unit @param {number} small @param {string} smaller */
function joined(large, unit, small, smaller) {
  return small ? `${number(large)} ${unit} ${small} ${smaller}` : `${number(large)} ${unit}`;
}

/** @param {string | number | Date} time @param {string} zone @param {Intl.DateTimeFormatOptions} [how] */
export function moment(time, zone, how = { dateStyle: 'medium', timeStyle: 'medium' }) {
  return new Intl.DateTimeFormat(undefined, { timeZone: zone, ...how }).format(new Date(time));
}

/** @param {string | number | Date} time @param {string} zone */
export const clock = (time, zone) => moment(time, zone, { hour: '2-digit', minute: '2-digit' });

/** The time alone if it is of today. @param {string | number | Date} time @param {string} zone */
export function lately(time, zone) {
  const today = day(time, zone) === day(Date.now(), zone);
  return moment(time, zone, { ...(!today && { dateStyle: 'medium' }), timeStyle: 'medium' });
}

/** @param {string | number | Date} time @param {string} zone */
export const day = (time, zone) => moment(time, zone, { dateStyle: 'medium' });

/** November 2026. @param {string} date one of its dates */
export const month = (date) => moment(date, 'UTC', { month: 'long', year: 'numeric' });

/**
 * `2026-11-25T14:30:00` in a zone, for charts: plotly knows of no zones, and shows what it is given.
 * @param {string | number | Date} time @param {string} zone
 */
export function local(time, zone) {
  const parts = new Intl.DateTimeFormat('sv', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
  return parts.format(new Date(time)).replace(' ', 'T');
}
