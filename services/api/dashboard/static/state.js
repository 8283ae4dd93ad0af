/**
 * What is shown, as the page's address says it: a link shows the same view to whoever opens it.
 *
 * @typedef {{site: string, window: string, range: string, zone: string, filters: any[], own: Record<string, string>}} State
 * `site` is empty for all together; `range` a name, or two dates with a comma between; `filters` are those of /v1/query;
 * `own` is what the view itself lets one choose, by the parameter's name.
 */

export const RANGES = [
  ['day', 'Today'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
  ['month', 'This month'],
  ['12mo', 'Last 12 months'],
];
const TWO_DATES = /^\d{4}-\d\d-\d\d,\d{4}-\d\d-\d\d$/;
const FRAME = ['site', 'window', 'range', 'zone', 'filters'];

/** @returns {State} */
export function read() {
  const query = new URLSearchParams(location.search);
  return {
    site: query.get('site') || '',
    window: query.get('window') || 'visits',
    range: range(query.get('range')),
    zone: zone(query.get('zone')),
    filters: filters(query.get('filters')),
    own: Object.fromEntries([...query].filter(([name]) => !FRAME.includes(name))),
  };
}

/** @param {string | null} text */
function range(text) {
  return text && (RANGES.some(([name]) => name === text) || TWO_DATES.test(text)) ? text : '7d';
}

/** @param {string | null} name */
function zone(name) {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name || undefined }).resolvedOptions().timeZone;
  } catch (error) {
    return 'UTC';
  }
}

/** @param {string | null} text */
function filters(text) {
  try {
    const found = JSON.parse(text || '[]');
    return Array.isArray(found) ? found : [];
  } catch (error) {
    return [];
  }
}

/** The range as /v1/query takes it. @param {State} state */
export function dateRange(state) {
  return state.range.includes(',') ? state.range.split(',') : state.range;
}

/** The query string of a state: zone and range always, so that it means the same elsewhere. @param {State} state */
export function written(state) {
  const query = new URLSearchParams();
  if (state.site) query.set('site', state.site);
  query.set('window', state.window);
  query.set('range', state.range);
  query.set('zone', state.zone);
  if (state.filters.length) query.set('filters', JSON.stringify(state.filters));
  for (const [name, value] of Object.entries(state.own)) query.set(name, value);
  return `?${query}`;
}

/** The address of a view; what was chosen within another is not its own. @param {string} view @param {State} state @param {Record<string, string>} [own] */
export function address(view, state, own = {}) {
  return `/${view}${written({ ...state, own })}`;
}

/** Show something else of the same view, from a list's first page on: `cursor` was of another list. @param {Partial<State>} changes */
export function change(changes) {
  const now = read();
  const { cursor, ...own } = now.own;
  open(location.pathname + written({ ...now, own, ...changes }));
}

/** Choose something within the view; what is empty is chosen no more. @param {Record<string, string>} changes */
export function choose(changes) {
  const { cursor, ...own } = read().own;
  change({ own: Object.fromEntries(Object.entries({ ...own, ...changes }).filter(([, value]) => value)) });
}

/** @param {string} where an address of the dashboard */
export function open(where) {
  history.pushState(null, '', where);
  dispatchEvent(new Event('statechange'));
}
