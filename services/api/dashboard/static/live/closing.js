/** The last sessions as they close; one that is revised takes the place of what it was, one that is no more is struck out. */

import { element } from '../elements.js';
import { duration, money, number } from '../format.js';
import { write } from './strip.js';

export const ROWS = 12;
const NEW_MS = 1_500;
const COLUMNS = ['Closed', 'Session', 'Device', 'From', 'To', 'Events', 'Duration', 'Outcome', 'Version'];
const NUMBERS = ['Events', 'Duration'];
const WIDE = ['Device', 'From', 'To'];
/** @type {Record<string, string>} */
const BECAUSE = {
  extended: 'late clicks made it longer',
  merged: 'a late click joined several',
  recut: 'a late click moved where it is cut',
  imported: 'history was imported',
};

/** @typedef {{session: any, at: number, seen: number, gone: boolean}} Row */

export class Closing {
  /** @type {Row[]} the newest first */
  #rows = [];
  #leftOut = 0;

  /** @param {(at: number) => string} clock */
  constructor(clock) {
    this.clock = clock;
    this.places = Array.from({ length: ROWS }, () => {
      const cells = COLUMNS.map((title) => element('td', { class: classOf(title) }));
      return { cells, row: element('tr', { hidden: true }, ...cells) };
    });
    this.more = element('p', { class: 'quiet more' });
    this.none = element('p', { class: 'quiet' }, 'None has closed in the last minute. A session closes when nothing more comes for as long as its window’s gap.');
    this.element = element('div', {}, this.none, this.#table(), this.more);
  }

  #table() {
    const head = COLUMNS.map((title) => element('th', { scope: 'col', class: classOf(title) }, title));
    const caption = 'The last sessions that closed';
    return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
      element('table', { class: 'closing' }, element('caption', { class: 'unseen' }, caption),
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...this.places.map(({ row }) => row))));
  }

  /** An event of /v1/live/sessions, and its time. @param {{revoked: any[], sessions: any[], left_out: number}} told @param {number} at */
  take({ revoked, sessions, left_out: leftOut }, at) {
    const gone = new Set(revoked.map(({ session_uid: uid }) => uid));
    const again = new Set(sessions.map(({ session_uid: uid }) => uid));
    const kept = this.#rows.filter(({ session }) => !again.has(session.session_uid));
    for (const row of kept) row.gone = row.gone || gone.has(row.session.session_uid);
    const seen = performance.now();
    const added = sessions.map((session) => ({ session, at, seen, gone: false })).reverse();
    this.#rows = [...added, ...kept].slice(0, ROWS);
    this.#leftOut += leftOut || 0;
  }

  draw() {
    this.none.hidden = this.#rows.length > 0;
    this.places.forEach(({ cells, row }, place) => this.#drawRow(this.#rows[place], cells, row));
    write(this.more, this.#leftOut ? `and ${number(this.#leftOut)} more, which came too fast to be listed` : '');
    this.#leftOut = 0;
  }

  /** @param {Row | undefined} found @param {HTMLElement[]} cells @param {HTMLElement} row */
  #drawRow(found, cells, row) {
    row.hidden = !found;
    if (!found) return;
    const texts = shown(found, this.clock);
    cells.forEach((cell, at) => write(cell, texts[at]));
    row.classList.toggle('gone', found.gone);
    row.classList.toggle('revised', found.session.version > 1);
    row.classList.toggle('new', performance.now() - found.seen < NEW_MS);
  }
}

/** @param {string} title */
const classOf = (title) => [NUMBERS.includes(title) && 'number', WIDE.includes(title) && 'wide'].filter(Boolean).join(' ');

/** @param {Row} row @param {(at: number) => string} clock */
function shown({ session, at, gone }, clock) {
  return [
    clock(at), session.session_id, session.device_type, session.begin_navigation, session.end_navigation,
    number(session.events), duration(session.duration_sec), outcome(session), version(session, gone),
  ];
}

/** @param {any} session */
function outcome({ converted, bounced, revenue, currency }) {
  if (converted) return Number(revenue) ? money(revenue, currency) : 'converted';
  return bounced ? 'bounced' : '';
}

/** @param {any} session @param {boolean} gone */
function version({ version: number_, revised_because: because }, gone) {
  if (gone) return 'no more: a late click changed it';
  return number_ > 1 ? `${number_}, revised because ${BECAUSE[because] || 'a late click came'}` : '1';
}
