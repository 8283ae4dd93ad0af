/** What can be filtered by: the fields and operators of /v1/query that are offered, with names for people. */

/** @type {Record<string, {title: string, kind: 'text' | 'number' | 'truth' | 'events'}>} */
export const FIELDS = {
  device_type: { title: 'Device', kind: 'text' },
  entry_page: { title: 'Entry page', kind: 'text' },
  referrer_host: { title: 'Referrer', kind: 'text' },
  utm_source: { title: 'Source', kind: 'text' },
  utm_medium: { title: 'Medium', kind: 'text' },
  utm_campaign: { title: 'Campaign', kind: 'text' },
  begin_navigation: { title: 'First event', kind: 'text' },
  end_navigation: { title: 'Last event', kind: 'text' },
  event: { title: 'Event', kind: 'events' },
  'experiment:landing': { title: 'Experiment landing', kind: 'text' },
  'experiment:checkout': { title: 'Experiment checkout', kind: 'text' },
  user_id: { title: 'User', kind: 'text' },
  device_id: { title: 'Device id', kind: 'text' },
  duration_sec: { title: 'Duration (s)', kind: 'number' },
  events: { title: 'Events', kind: 'number' },
  revenue: { title: 'Revenue', kind: 'number' },
  converted: { title: 'Converted', kind: 'truth' },
  bounced: { title: 'Bounced', kind: 'truth' },
};

/** @type {Record<string, string[]>} */
export const OPERATORS = {
  text: ['is', 'is_not', 'contains', 'contains_not', 'matches', 'matches_not'],
  number: ['is', 'is_not', 'at_least', 'at_most', 'more_than', 'less_than'],
  truth: ['is', 'is_not'],
  events: ['is', 'is_not'],
};

/** @param {string} name */
export function titleOf(name) {
  return FIELDS[name]?.title || name;
}
