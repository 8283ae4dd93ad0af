/**
 * A live stream of the API, followed for as long as a view is shown.
 *
 * The browser reconnects by itself, after the last event it was given. Here is what it leaves to the page: to say so, to
 * notice silence, to come again when it was refused, and to let go of the connection while nobody looks.
 *
 * @typedef {{kind: 'opening' | 'live' | 'cut' | 'paused', since: number, reason: string}} State
 * `since` by the clock of this browser, in ms.
 */

const LOOK_MS = 1_000;
const SILENT_MS = 6_000; // of a stream that tells something every second
const LOST_MS = 20_000; // then the connection is given up
const AGAIN_MS = 2_000;
const HIDDEN_MS = 30_000; // a browser has six connections to a host, and a hidden page shows nothing

/**
 * @param {{
 *   address: (after: string) => string,
 *   event: string,
 *   take: (told: any, at: number) => void,
 *   gap?: (lost: {from: string, to: string}) => void,
 *   changed?: (state: State) => void,
 *   check: () => Promise<any>,
 *   steady?: boolean,
 *   anew?: boolean,
 *   signal: AbortSignal,
 * }} stream  `after` is the id of the last event, or empty; `check` fails as the stream was refused, and tells why;
 * `steady`: something comes every second. `anew`: after a pause from then on, not from where it was. `at`, in ms, is up to
 * when an event tells
 */
export function follow({ address, event, take, gap = () => {}, changed = () => {}, check, steady = false, anew = false, signal }) {
  /** @type {EventSource | undefined} */
  let source;
  /** @type {State} */
  let state = { kind: 'opening', since: Date.now(), reason: '' };
  let [last, heard, again, hiding] = ['', Date.now(), 0, 0];

  const become = (/** @type {State['kind']} */ kind, reason = '') => {
    if (kind === state.kind && reason === state.reason) return;
    state = { kind, reason, since: kind === state.kind ? state.since : Date.now() };
    changed(state);
  };
  const heardOf = (/** @type {MessageEvent} */ told) => {
    heard = Date.now();
    last = told.lastEventId || last;
    become('live');
    return JSON.parse(told.data);
  };
  const open = () => {
    source?.close();
    heard = Date.now();
    source = new EventSource(address(last));
    source.addEventListener('open', () => {
      heard = Date.now(); // else it would be silent for as long as it was cut, until something comes
      become('live');
    });
    source.addEventListener(event, (told) => take(heardOf(told), Number(told.lastEventId)));
    source.addEventListener('gap', (told) => gap(heardOf(told)));
    source.addEventListener('dropped', (told) => become('cut', heardOf(told).reason));
    source.addEventListener('error', failed);
  };
  const failed = async () => {
    become('cut', state.kind === 'cut' ? state.reason : 'the server does not answer');
    if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again
    try {
      await check();
    } catch (error) {
      if (signal.aborted) return;
      become('cut', error instanceof Error ? error.message : String(error));
    }
    clearTimeout(again);
    again = setTimeout(() => signal.aborted || state.kind !== 'cut' || open(), AGAIN_MS);
  };
  const look = () => {
    const silent = Date.now() - heard;
    if (!steady || state.kind === 'paused' || silent < SILENT_MS) return;
    become('cut', state.reason || 'nothing comes any more');
    if (silent > LOST_MS && source?.readyState !== EventSource.CLOSED) open();
  };
  const pause = () => {
    source?.close();
    if (anew) last = '';
    become('paused');
  };
  const seen = () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(pause, HIDDEN_MS);
    else if (state.kind === 'paused') {
      become('opening');
      open();
    }
  };

  const looking = setInterval(look, LOOK_MS);
  document.addEventListener('visibilitychange', seen);
  signal.addEventListener('abort', () => {
    source?.close();
    clearInterval(looking);
    [again, hiding].forEach(clearTimeout);
    document.removeEventListener('visibilitychange', seen);
  });
  open();
}
