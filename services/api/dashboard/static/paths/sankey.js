/** Paths as a Sankey diagram, from left to right as time goes. */

import { chart, literal } from '../charts.js';
import { element } from '../elements.js';
import { number, percent } from '../format.js';

/** @type {Record<string, string>} */
const WORDS = { exit: 'session ends', entry: 'session begins', other: 'other events', cut: 'beyond 100 events' };
const ROW_PX = 34;
const LEVEL_PX = 165; // a name's room; what is narrower is scrolled

/** @param {any} node */
export const wordsOf = (node) => node.event ?? WORDS[node.kind];

/** @param {any} paths the API's answer @param {boolean} backwards whether links lead from the later to the earlier event @param {(event: string) => void} chosen */
export function sankey(paths, backwards, chosen) {
  const { nodes, links, sessions } = paths;
  const at = new Map(nodes.map((/** @type {any} */ node, /** @type {number} */ place) => [node.id, place]));
  const flows = links.map((/** @type {any} */ link) => {
    const [source, target] = backwards ? [link.target, link.source] : [link.source, link.target];
    return { source: at.get(source), target: at.get(target), sessions: link.sessions };
  });
  const diagram = chart({
    title: 'Paths of sessions',
    height: Math.max(320, ROW_PX * tallest(nodes)),
    traces: (colours) => [trace(nodes, flows, backwards, tones(nodes, colours), colours)],
    layout: () => ({ margin: { l: 8, r: 8, t: 8, b: 8 } }),
    columns: [{ title: 'Step', number: true }, { title: 'From' }, { title: 'To' }, { title: 'Sessions', number: true }, { title: 'Of all', number: true }],
    rows: flows.map((/** @type {any} */ flow) => [
      Math.max(nodes[flow.source].level, nodes[flow.target].level), wordsOf(nodes[flow.source]), wordsOf(nodes[flow.target]),
      number(flow.sessions), percent(100 * flow.sessions / sessions)]),
    onclick: (point) => point.pointNumber !== undefined && point.sourceLinks && nodes[point.pointNumber].event && chosen(nodes[point.pointNumber].event),
  });
  return wide(diagram, LEVEL_PX * (Math.max(...nodes.map(({ level }) => level)) + 1));
}

/** Not narrower than that: its place is scrolled. @param {HTMLElement} diagram @param {number} least px */
function wide(diagram, least) {
  const plot = /** @type {HTMLElement} */ (diagram.querySelector('.plot'));
  plot.style.minWidth = `${least}px`;
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'The diagram of paths' }, diagram);
}

/** The most nodes of a level. @param {any[]} nodes */
function tallest(nodes) {
  const counts = nodes.reduce((found, { level }) => found.set(level, (found.get(level) || 0) + 1), new Map());
  return Math.max(...counts.values());
}

/** @param {any[]} nodes @param {any[]} flows @param {boolean} backwards @param {string[]} colors @param {import('../charts.js').Colours} colours */
function trace(nodes, flows, backwards, colors, { ink, card }) {
  return {
    type: 'sankey', arrangement: 'fixed', textfont: { color: ink, size: 12, shadow: 'none' },
    node: {
      align: backwards ? 'right' : 'left', label: nodes.map((node) => literal(wordsOf(node))), color: colors, pad: 14, thickness: 14,
      line: { width: 1, color: card }, customdata: nodes.map((node) => number(node.sessions)), hovertemplate: '%{label}<br>%{customdata} sessions<extra></extra>',
    },
    link: {
      source: flows.map((flow) => flow.source), target: flows.map((flow) => flow.target), value: flows.map((flow) => flow.sessions),
      color: flows.map((flow) => faint(colors[flow.source])), hovertemplate: '%{source.label} → %{target.label}<br>%{value:,} sessions<extra></extra>',
    },
  };
}

/** An event has the same colour wherever it is; what is none has a quiet one. @param {any[]} nodes @param {import('../charts.js').Colours} colours */
function tones(nodes, { series, quiet }) {
  const events = [...new Set(nodes.map(({ event }) => event).filter(Boolean))];
  return nodes.map(({ event }) => (event ? series[events.indexOf(event) % series.length] : quiet));
}

/** @param {string} color rgb(…) */
const faint = (color) => color.replace('rgb(', 'rgba(').replace(')', ', 0.3)');
