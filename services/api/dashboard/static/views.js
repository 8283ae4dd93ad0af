/**
 * The views that there are, in the order of the navigation. To add one: a module in views/, and its line here.
 *
 * A view is a module with `show(place, context)`. It is called whenever something else is chosen, and puts what it shows
 * into `place`, which is empty and new each time. What it throws is shown in its place.
 *
 * @typedef {{state: import('./state.js').State, ask: typeof import('./api.js').ask, signal: AbortSignal}} Context
 * `ask` is the API's, and breaks off when something else is chosen, as `signal` tells.
 * @typedef {'site' | 'window' | 'range' | 'zone' | 'filters'} Choice
 * @typedef {{path: string, title: string, choices: Choice[], load: () => Promise<{show: (place: HTMLElement, context: Context) => Promise<void>}>}} View
 * `choices` are those that the view heeds; others are not offered.
 */

/** @type {View[]} */
export const VIEWS = [
  { path: 'live', title: 'Live', choices: ['site', 'window', 'zone'], load: () => import('./views/live.js') },
  { path: 'overview', title: 'Overview', choices: ['site', 'window', 'range', 'zone', 'filters'], load: () => import('./views/overview.js') },
  { path: 'funnel', title: 'Funnel', choices: ['site', 'window', 'range', 'zone', 'filters'], load: () => import('./views/funnel.js') },
  { path: 'paths', title: 'Paths', choices: ['site', 'window', 'range', 'zone', 'filters'], load: () => import('./views/paths.js') },
  { path: 'retention', title: 'Retention', choices: ['site', 'window', 'range', 'zone', 'filters'], load: () => import('./views/retention.js') },
  { path: 'sessions', title: 'Sessions', choices: ['site', 'window', 'range', 'zone', 'filters'], load: () => import('./views/sessions.js') },
  { path: 'health', title: 'Health', choices: ['site', 'window', 'zone'], load: () => import('./views/health.js') },
];

/** The view of an address; the first for `/` and for one that is not there. @param {string} path */
export function viewAt(path) {
  return VIEWS.find((view) => `/${view.path}` === path) || VIEWS[0];
}
