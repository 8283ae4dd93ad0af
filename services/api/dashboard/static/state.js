/**
 * What is shown, as the page's address says it: a link shows the same view to whoever opens it.
 *
 * @typedef {{site: string, window: string, range: string, zone: string, filters: any[]}} State
 * `site` is empty for all together; `range` a name, or two dates with a comma between; `filters` are those of /v1/query.
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

/** @returns {State} */
export function read() {
  const query = new URLSearchParams(location.search);
  return {
    site: query.get('site') || '',
    window: query.get('window') || 'visits',
    range: range(query.get('range')),
    zone: zone(query.get('zone')),
    filters: filters(query.get('filters')),
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
  return `?${query}`;
}

/** The address of a view. @param {string} view @param {State} state */
export function address(view, state) {
  return `/${view}${written(state)}`;
}

/** Show something else of the same view. @param {Partial<State>} changes */
export function change(changes) {
  open(location.pathname + written({ ...read(), ...changes }));
}

/** @param {string} where an address of the dashboard */
export function open(where) {
  history.pushState(null, '', where);
  dispatchEvent(new Event('statechange'));
}
