/** Late clicks and rejected events: how many, why, and the latest. */

import { card, element, table } from '../elements.js';
import { duration, lately, number } from '../format.js';

/** @param {any} status @param {import('../state.js').State} state */
export function turnedAway({ late, rejected }, state) {
  if (!late || !rejected) return [card('Late and refused', '', element('p', {}, 'PostgreSQL does not answer, so it is not known what came late and what was refused.'))];
  return [
    reasons('Late clicks', 'of each window; kept, and in no session', late.by_reason,
      ({ window, reason }) => `${window}: ${reason}`),
    reasons('Refused events', 'kept with the reason; they are no clicks', rejected.by_reason, ({ code }) => words(code)),
    ...lateLatest(late.latest, state),
    ...rejectedLatest(rejected.latest, state),
  ];
}

/** @param {string} title @param {string} hint @param {any[]} found @param {(row: any) => string} named */
function reasons(title, hint, found, named) {
  const columns = [{ title: 'Reason' }, { title: 'Last hour', number: true }, { title: 'Last 24 hours', number: true }];
  const rows = found.map((row) => [named(row), number(row.last_hour), number(row.last_day)]);
  const shown = rows.length ? table(columns, rows, title) : element('p', {}, 'None within the last 24 hours.');
  return card(title, 'half', element('p', { class: 'quiet hint' }, hint), shown);
}

/** @param {any[]} latest @param {import('../state.js').State} state */
function lateLatest(latest, state) {
  if (!latest.length) return [];
  const columns = ['Came', 'Site', 'Window', 'Event', 'Of', 'Too late by', 'Reason'].map((title, at) => ({ title, number: at === 5 }));
  const rows = latest.map((row) => [
    at(row.arrived_at, state), row.site_id, row.window, row.client_event, at(row.client_timestamp, state),
    duration(row.late_by_sec), row.reason.split(':')[0],
  ]);
  return [card('Late clicks, the latest', '', table(columns, rows, 'Late clicks, the latest'))];
}

/** @param {any[]} latest @param {import('../state.js').State} state */
function rejectedLatest(latest, state) {
  if (!latest.length) return [];
  const columns = ['Came', 'Site', 'By', 'Reason', 'What is wrong'].map((title) => ({ title }));
  const rows = latest.map((row) =>
    [at(row.rejected_at, state), row.site_id || '–', row.source, words(row.code), row.message]);
  return [card('Refused events, the latest', '', table(columns, rows, 'Refused events, the latest'))];
}

/** @param {string} time @param {import('../state.js').State} state */
const at = (time, { zone }) => lately(time, zone);

/** @param {string} code */
const words = (code) => code.replaceAll('_', ' ');
