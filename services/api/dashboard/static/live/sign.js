/** The sign that says whether the feed lives; what has changed is said aloud, what goes on is not. */

import { element } from '../elements.js';
import { duration } from '../format.js';
import { write } from './strip.js';

const BACK_MS = 15_000; // so long it is told that the feed is back
const TELLING_MS = 2_000; // a shorter cut, as of a restart, is none to be told of

export class Sign {
  /** @type {import('./feed.js').State} */
  #state = { kind: 'opening', since: Date.now(), reason: '' };
  #cutSince = 0;
  #backUntil = 0;
  #lost = '';

  /** @param {(at: string) => string} clock of an ISO time */
  constructor(clock) {
    this.clock = clock;
    this.pill = element('span', { class: 'sign', 'data-feed': 'opening' }, 'Connecting …');
    this.notice = element('p', { class: 'notice feed', role: 'status', hidden: true });
  }

  /** @param {import('./feed.js').State} state */
  become(state) {
    if (state.kind === 'cut' && !this.#cutSince) this.#cutSince = state.since;
    if (state.kind === 'live' && this.#cutSince) this.#back();
    if (state.kind === 'paused') this.#cutSince = 0;
    this.#state = state;
    this.pill.dataset.feed = state.kind;
    this.draw(this.shownOf);
  }

  /** What came between is not known. @param {{from: string, to: string}} lost */
  gap({ from, to }) {
    this.#lost = `What came from ${this.clock(from)} to ${this.clock(to)} is kept no more, and missing here.`;
    this.#backUntil = Date.now() + BACK_MS;
    this.draw(this.shownOf);
  }

  #back() {
    const away = Date.now() - this.#cutSince;
    this.#cutSince = 0;
    this.#backUntil = away < TELLING_MS ? 0 : Date.now() + BACK_MS;
    this.away = duration(away / 1000);
    this.#lost = '';
  }

  shownOf = '';

  /** Again as time goes on. @param {string} shownOf up to when the numbers are, as an ISO time */
  draw(shownOf) {
    this.shownOf = shownOf;
    write(this.pill, this.#words());
    const told = this.#told();
    this.notice.classList.toggle('fault', this.#state.kind === 'cut');
    this.notice.hidden = !told;
    write(this.notice, told);
  }

  #words() {
    const { kind, since } = this.#state;
    if (kind === 'cut') return `Cut off for ${duration((Date.now() - since) / 1000)}`;
    return { opening: 'Connecting …', live: 'Live', paused: 'Paused' }[kind];
  }

  /** Changes with the state only: whoever listens is told once. */
  #told() {
    if (this.#state.kind === 'cut') {
      const of = this.shownOf ? ` What you see is of ${this.clock(this.shownOf)}.` : '';
      return `The live feed is cut off: ${this.#state.reason}.${of} It is tried again until it is back.`;
    }
    if (this.#state.kind !== 'live' || Date.now() > this.#backUntil) return '';
    const back = this.away ? `The live feed is back after ${this.away}. ` : '';
    return back + (this.#lost || 'Nothing was missed.');
  }
}
