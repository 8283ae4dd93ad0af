/** Windows, partitions and the archive: who serves them and how far they are. */

import { card, element, figureCard, table } from '../elements.js';
import { bytes, duration, lately, number, percent } from '../format.js';

const FULL = 0.9; // of the mark at which ingest closes

/** @param {any} system */
export function memory({ memory_level: level, memory_bytes: used, memory_limit_bytes: limit }) {
  const of = limit ? `${bytes(used)} of ${bytes(limit)}` : `${bytes(used)}, no limit`;
  return figureCard('Redis memory', percent(level * 100), `of what closes ingest; ${of}`, level > FULL ? 'bad' : '');
}

/** The window that is furthest behind. @param {any} system */
export function watermark({ windows }) {
  const lags = windows.map((/** @type {any} */ window) => window.watermark_lag_sec).filter((/** @type {any} */ lag) => lag !== null);
  const behind = lags.length ? duration(Math.max(...lags)) : '–';
  return figureCard('Watermark', behind, lags.length ? 'behind the clock, of the slowest window' : 'no click yet');
}

/** @param {any} system */
export function troubles({ troubles: found }) {
  return found.map((/** @type {string} */ trouble) => element('p', { class: 'fault', role: 'alert' }, trouble));
}

/** @param {any} system @param {import('../state.js').State} state */
export function windows({ windows: found, partitions }, state) {
  const titles = ['Window', 'Definition', 'Partitions served', 'Entries to read', 'Watermark', 'Behind'];
  const rows = found.map((/** @type {any} */ one) => [
    one.window, element('code', {}, one.definition), toned(`${one.served} of ${partitions}`, one.served < partitions),
    counted(one.lag), when(one.watermark, state), one.watermark_lag_sec === null ? '–' : duration(one.watermark_lag_sec),
  ]);
  return card('Windows', '', table(titled(titles, [2, 3, 5]), rows, 'Windows'));
}

/** A row a partition: for each window its owner, and what each reader has not committed. @param {any} system @param {import('../state.js').State} state */
export function partitions({ readers, windows: defined, partitions: count }, state) {
  const names = defined.map((/** @type {any} */ one) => one.window);
  const others = [...new Set(readers.map((/** @type {any} */ row) => row.reader))].filter((name) => !names.includes(name));
  const titles = ['Partition', 'Clicks held',
    ...names.flatMap((/** @type {string} */ name) => [`${name}: owner`, 'to read']),
    ...others.map((name) => `${name}: to read`), 'Last commit'];
  const rows = Array.from({ length: count }, (_, number_) => {
    const own = readers.filter((/** @type {any} */ row) => row.stream.endsWith(`{${number_}}`));
    return [number_, number(kept(own)), ...names.flatMap((/** @type {string} */ name) => served(own, name)),
      ...others.map((name) => counted(waiting(own, /** @type {string} */ (name)))), when(latest(own), state)];
  });
  const numbers = titles.flatMap((title, at) => (title.endsWith('to read') || at === 1 ? [at] : []));
  return card('Partitions', '', element('p', { class: 'quiet hint' }, 'entries of streams, each of one click or a batch'),
    table(titled(titles, numbers), rows, 'Partitions'));
}

/** @param {any} system @param {import('../state.js').State} state */
export function archive({ archive: found }, state) {
  if (!found) return [];
  const titles = ['Table', 'Place', 'Rows written', 'Last written', 'State'];
  const rows = found.tables.map((/** @type {any} */ one) => [
    one.table, element('code', {}, one.place), number(one.rows_written), when(one.last_written, state),
    one.trouble ? toned(one.trouble, true) : one.first_to_write ? 'earlier ones still to come' : 'up to date',
  ]);
  return [card('Archive', '', table(titled(titles, [2]), rows, 'Archive'))];
}

/** @param {any[]} own rows of one partition */
function kept(own) {
  const clicks = own.find(({ stream }) => /(^|:)clicks:\{/.test(stream));
  return clicks ? clicks.length : 0;
}

/** @param {any[]} own @param {string} window */
function served(own, window) {
  const row = own.find(({ reader }) => reader === window);
  return [row?.owner || toned('nobody', true), counted(row ? row.lag : null)];
}

/** @param {any[]} own @param {string} reader */
function waiting(own, reader) {
  const lags = own.filter((row) => row.reader === reader).map(({ lag }) => lag);
  return lags.includes(null) ? null : lags.reduce((sum, lag) => sum + lag, 0);
}

/** @param {any[]} own */
const latest = (own) => own.map((row) => row.last_commit).filter(Boolean).sort().pop();

/** @param {string | null | undefined} time @param {import('../state.js').State} state */
const when = (time, { zone }) => (time ? lately(time, zone) : '–');

/** @param {number | null} count */
const counted = (count) => (count === null ? toned('unknown', true) : number(count));

/** @param {string} text @param {boolean} bad */
const toned = (text, bad) => (bad ? element('span', { class: 'bad' }, text) : text);

/** @param {string[]} titles @param {number[]} numbers */
const titled = (titles, numbers) => titles.map((title, at) => ({ title, number: numbers.includes(at) }));
