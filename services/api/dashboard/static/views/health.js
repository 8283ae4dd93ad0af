/** Whether events come in, and whether every one of them is where it should be. */

import { withQuery } from '../api.js';
import { chart } from '../charts.js';
import { card, element, fault, figureCard, table } from '../elements.js';
import { clock, duration, local, moment, number } from '../format.js';
import { archive, memory, partitions, troubles, watermark, windows } from '../health/system.js';
import { turnedAway } from '../health/turned_away.js';
import { nothing } from '../live/nothing.js';

const AGAIN_MS = 15_000;
const HOUR_MS = 3_600_000;
const BAR_MS = 48_000; // of a minute

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
export async function show(place, context) {
  await fill(place, context);
  const timer = setInterval(() => again(place, context), AGAIN_MS);
  context.signal.addEventListener('abort', () => clearInterval(timer));
}

/** A fault on the way leaves what is shown, and is told above it. @param {HTMLElement} place @param {import('../views.js').Context} context */
async function again(place, context) {
  if (document.hidden || place.querySelector('details[open]')) return;
  try {
    await fill(place, context);
  } catch (error) {
    if (!context.signal.aborted) place.querySelector('.title .quiet')?.replaceChildren(String(error));
  }
}

/** @param {HTMLElement} place @param {import('../views.js').Context} context */
async function fill(place, { state, ask }) {
  const of = { site_id: state.site, window: state.window };
  const [ready, ledger, status] = await Promise.all([
    readiness(ask), ask(withQuery('/v1/ledger', of)), statusOrFault(ask, state),
  ]);
  const title = element('div', { class: 'title' }, element('h1', {}, 'Health'),
    element('p', { class: 'quiet' }, `The last hour, as of ${moment(ledger.as_of, state.zone)}`));
  const { system } = status;
  const cards = [
    ...figures(ready, ledger), ...(system ? [watermark(system), memory(system)] : []),
    ledger.received ? arrivals(ledger, state) : nothing('No event came in within the last hour'),
    ...(system ? [windows(system, state)] : []),
    ...sums(ledger), ...differences(ledger, state),
    ...(status.fault ? [fault(status.fault)] : turnedAway(status, state)),
    ...(system ? [partitions(system, state), ...archive(system, state)] : [unseen(status)]),
  ];
  place.replaceChildren(title, ...(system ? troubles(system) : []), element('div', { class: 'grid health' }, ...cards.filter(Boolean)));
}

/** @param {import('../views.js').Context['ask']} ask @param {import('../state.js').State} state */
async function statusOrFault(ask, state) {
  try {
    return await ask(withQuery('/v1/status', { site_id: state.site }));
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    return { system: null, fault: error };
  }
}

/** @param {any} status */
function unseen(status) {
  return !status.fault && card('Partitions, memory, archive', '',
    element('p', {}, 'These are of the whole system: a key of all sites, or of the scope admin, sees them.'));
}

/** `/readyz` answers 503 with the same members. @param {import('../views.js').Context['ask']} ask */
async function readiness(ask) {
  try {
    return await ask('/readyz');
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    return { ingest: error instanceof Error ? error.message : 'closed', queries: 'open' };
  }
}

/** @param {any} ready @param {any} ledger */
function figures(ready, ledger) {
  const open = ready.ingest === 'open';
  const behind = Math.max(0, (Date.now() - Date.parse(ledger.as_of)) / 1000);
  return [
    figureCard('Events', open ? 'Open' : 'Closed', open ? 'they are taken' : ready.ingest, open ? 'good' : 'bad'),
    figureCard('Received', number(ledger.received), `${number(ledger.rejected)} of them refused`),
    figureCard('Ledger', ledger.balanced ? 'Balanced' : 'Differs',
      ledger.settled ? 'nothing is on its way' : 'some are on their way', ledger.balanced ? 'good' : 'bad'),
    figureCard('Stored', duration(behind), 'behind the clock'),
  ];
}

/** @param {any} ledger @param {import('../state.js').State} state */
function arrivals(ledger, state) {
  const minutes = byMinute(ledger.minutes);
  const times = minutes.map(({ minute }) => local(minute, state.zone));
  const bar = (/** @type {string} */ name, /** @type {number[]} */ values, /** @type {string} */ color) =>
    ({ type: 'bar', name, x: times, y: values, width: BAR_MS, offset: 0, marker: { color } });
  return card('Events by the minute in which they came', '', chart({
    title: 'Events by the minute',
    traces: ({ series }) => [
      bar('taken', minutes.map(({ received, rejected }) => received - rejected), series[0]),
      bar('refused', minutes.map(({ rejected }) => rejected), series[3]),
    ],
    layout: () => ({ barmode: 'stack', xaxis: { range: [local(Date.now() - HOUR_MS, state.zone), local(Date.now(), state.zone)] } }),
    columns: [{ title: 'Minute' }, { title: 'Taken', number: true }, { title: 'Refused', number: true }],
    rows: minutes.map(({ minute, received, rejected }) =>
      [clock(minute, state.zone), number(received - rejected), number(rejected)]),
  }));
}

/** The ledger has a row a site and minute, the newest first. @param {any[]} rows */
function byMinute(rows) {
  const found = new Map();
  for (const { minute, received, rejected } of rows) {
    const sum = found.get(minute) || { minute, received: 0, rejected: 0 };
    found.set(minute, { minute, received: sum.received + received, rejected: sum.rejected + rejected });
  }
  return [...found.values()].reverse();
}

/** @param {any} ledger */
function sums(ledger) {
  const columns = ['Window', 'Clicks read', 'In sessions', 'Duplicates', 'Late', 'Bots', 'In open sessions'];
  const rows = ledger.windows.map((/** @type {any} */ sum) => [
    sum.window,
    ...[sum.clicks, sum.in_sessions, sum.duplicates, sum.late, sum.bots, sum.open_events].map(number),
  ]);
  const titled = columns.map((title, at) => ({ title, number: at > 0 }));
  return [card('What became of the clicks', '', table(titled, rows, 'What became of the clicks'))];
}

/** @param {any} ledger @param {import('../state.js').State} state */
function differences(ledger, state) {
  if (ledger.balanced) return [];
  const columns = ['Minute', 'Site', 'Window', 'Sum', 'Told', 'Found'].map((title, at) => ({ title, number: at > 3 }));
  const rows = ledger.differences.map((/** @type {any} */ found) => [
    found.minute ? moment(found.minute, state.zone) : 'since the beginning',
    found.site_id, found.window || '', found.sum, number(found.told), number(found.found),
  ]);
  return [card('What does not balance', '', table(columns, rows, 'What does not balance'))];
}
