// Clickloom's tracker: docs/tracker.md says what it sends, and when. It is served without comments and indentation.
(() => {
  'use strict';
  const { currentScript: script } = document;
  const { key, cookieless, consent } = script.dataset;
  const address = new URL('v1/page-events' + (key ? '?key=' + key : ''), script.src);

  const NAME = 'clickloom';
  if (window[NAME + '.on']) return; // the snippet is there twice
  window[NAME + '.on'] = true;

  const TICK = 5000; // ms, as all times here
  const IDLE = 30000; // so long after the last sign of life nobody is thought to look
  const BEAT = 120000; // engaged time is told at least so often
  const WAIT = 60000; // the longest between two attempts
  const BYTES = 30000; // of a request: two fit into what a browser sends for a page that is gone
  const EVENTS = 200; // that wait at most

  const outbox = NAME + '.' + random(); // this page's own; another page takes over what is left in it
  const agent = navigator.userAgent;
  const iPad = /Macintosh/.test(agent) && navigator.maxTouchPoints > 1;
  const tablet = iPad || /iPad|Tablet|Android(?!.*Mobile)/.test(agent);
  const device = tablet ? 'tablet' : /Mobi/.test(agent) ? 'mobile' : 'computer';
  let queue = []; // events without an answer, oldest first: {name, text, flying}
  let open = false; // whether anything may be recorded
  let wait = 0; // after a failure
  let user, page, referrer, timer;
  let visible, active, told, engaged;

  function random() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('');
  }

  // Storage that is blocked throws, and no fault of ours may be the page's.
  function attempt(act) {
    try {
      return act();
    } catch (error) {}
  }

  function warn(what) {
    console.warn(NAME, what);
  }

  function cut(text) {
    return text && text.slice(0, 2048);
  }

  function size(text) {
    return new Blob([text]).size;
  }

  // The visitor's id. None if the browser keeps none: then the server makes one for the day.
  function visitor() {
    const id = /^\w{32}$/.test(localStorage[NAME]) ? localStorage[NAME] : random();
    localStorage[NAME] = id;
    return id;
  }

  function record(name, fields) {
    if (!open) return;
    const event = { event_id: random(), user_id: user, device_id: device, client_event: name };
    Object.assign(event, { client_timestamp: Date.now(), page_url: page }, fields);
    try {
      queue.push({ name, text: JSON.stringify(event) });
    } catch (error) {
      warn(error);
    }
    if (queue.length > EVENTS) warn(['lost', queue.shift()]);
    save();
    soon(1000);
  }

  function soon(after) {
    timer = timer || setTimeout(send, after);
  }

  // What has no answer outlives the page. Engaged time does only if there is trouble: it is told as the page goes, when
  // an answer comes too late to be seen, and each would be sent a second time.
  function save() {
    if (!user) return;
    const kept = queue.filter((event) => wait || !navigator.onLine || event.name != 'engaged');
    attempt(() => {
      if (kept[0]) localStorage[outbox] = JSON.stringify([Date.now(), kept.map((event) => event.text)]);
      else localStorage.removeItem(outbox);
    });
  }

  function outboxes() {
    return Object.keys(localStorage).filter((name) => name.startsWith(NAME + '.'));
  }

  // Take over what pages have left that are gone, or seem so. The events keep their ids: none counts twice.
  function adopt() {
    if (!user) return;
    outboxes().forEach((name) => {
      const [saved, texts] = JSON.parse(localStorage[name]);
      if (name == outbox || Date.now() - saved < TICK) return;
      queue = texts.map((text) => ({ text })).concat(queue);
      save();
      localStorage.removeItem(name);
      soon(1000);
    });
  }

  // One request at a time, unless the page is going. `sent_at` lets the server put a wrong clock right.
  function send(leaving) {
    let bytes = 0;
    const fits = ({ text }, index) => (bytes += size(text) + 30) < BYTES || !index;
    const events = queue.filter((event) => !event.flying).filter(fits);
    if (!events[0] || (!leaving && queue[0].flying)) return;
    clearTimeout(timer);
    timer = 0;
    const body = '[' + events.map(({ text }) => text.slice(0, -1) + ',"sent_at":' + Date.now() + '}') + ']';
    events.forEach((event) => (event.flying = true));
    fetch(address, { method: 'POST', body, keepalive: size(body) < 2 * BYTES, credentials: 'omit' })
      .then((answer) => answered(events, answer), () => failed(events));
  }

  function answered(events, answer) {
    const { status } = answer;
    if (status > 499 || (status < 400 && status != 202) || status == 429 || status == 408) {
      return failed(events, answer.headers.get('Retry-After') * 1000);
    }
    wait = 0;
    queue = queue.filter((event) => !events.includes(event));
    save();
    send();
    answer.json().then(({ rejected, detail = rejected }) => detail[0] && warn(detail)).catch(() => {});
  }

  function failed(events, after) {
    events.forEach((event) => (event.flying = false));
    wait = Math.min(2 * wait || 1000, WAIT);
    save();
    clearTimeout(timer);
    timer = setTimeout(send, Math.max(wait, after || 0) * (1 + Math.random() / 4));
  }

  // Count the time until now in which somebody looked at the page; gives the end of it.
  function mark() {
    const now = Date.now();
    const end = Math.min(now, active + IDLE);
    if (visible && end > told) engaged += end - told;
    told = now;
    return end;
  }

  function tell(leaving) {
    const end = mark();
    if (engaged < TICK || !(leaving || engaged >= BEAT || end < told)) return;
    record('engaged', { client_timestamp: end, properties: { seconds: Math.round(engaged / 1000) } });
    engaged = 0;
  }

  function look() {
    visible = !document.hidden;
    told = active = Date.now();
  }

  function leave() {
    tell(true);
    visible = false;
    send(true);
  }

  // A page view, if this is another page. Who replaces the address keeps notes in its query, unless the path changes.
  function view(replaced) {
    const [url, hash] = location.href.split('#');
    const now = cut(/^[!/]/.test(hash) ? url + '#' + hash : url);
    const path = (url) => url && url.replace(/\?[^#]*/, '');
    if (!open || now == page || (replaced && path(now) == path(page))) return;
    if (page) tell(true);
    look();
    engaged = 0;
    page = now;
    record('page_view', { referrer });
    referrer = undefined;
  }

  function clicked(event) {
    if (event.type != 'click' && event.button != 1) return;
    const nodes = event.composedPath();
    const named = nodes.find((node) => node.dataset && node.dataset.click);
    const link = nodes.find((node) => node.localName == 'a' && node.href);
    const outbound = link && /^http/.test(link.protocol) && link.host != location.host;
    if (!named && !outbound) return;
    record(named ? named.dataset.click : 'outbound_click', { properties: link && { url: cut(link.href) } });
    if (!wait) send(); // the page may be gone at once
  }

  function agree(yes) {
    if (yes && !open) {
      open = true;
      user = cookieless == null ? attempt(visitor) : undefined;
      view();
      attempt(adopt);
    }
    if (!yes) {
      open = false;
      page = user = undefined;
      queue = [];
      attempt(() => outboxes().concat(NAME).forEach((name) => localStorage.removeItem(name)));
    }
  }

  function clickloom(event, props) {
    if (event == 'consent' && typeof props == 'boolean') return agree(props);
    let { order_id, revenue, currency, experiments, ...properties } = props || {};
    if (typeof revenue == 'number') revenue = String(+revenue.toFixed(6)); // 0.1 + 0.2
    if (order_id != null) order_id = String(order_id);
    if (!Object.keys(properties).length) properties = undefined;
    record(event, { order_id, revenue, currency, experiments, properties });
  }

  function on(target, names, act) {
    names.split(' ').forEach((name) => target.addEventListener(name, act, { capture: true, passive: true }));
  }

  function start() {
    const { q } = window[NAME] || {}; // calls from before
    window[NAME] = clickloom;
    ['pushState', 'replaceState'].forEach((name) => {
      const original = history[name];
      history[name] = function () {
        original.apply(this, arguments);
        view(name == 'replaceState');
      };
    });
    on(window, 'popstate hashchange', () => view());
    on(window, 'click auxclick', clicked);
    on(window, 'pointermove pointerdown keydown scroll wheel', () => {
      mark();
      active = told;
    });
    on(window, 'pagehide', leave);
    on(window, 'pageshow', (event) => {
      if (!event.persisted) return;
      page = undefined;
      view();
    });
    on(window, 'online', () => send());
    on(document, 'visibilitychange', () => (document.hidden ? leave() : look()));
    setInterval(() => {
      tell();
      attempt(adopt);
    }, TICK);
    const from = document.referrer;
    referrer = from.startsWith(location.origin + '/') ? undefined : cut(from) || undefined;
    if (consent != 'required') agree(true);
    if (q) q.forEach((call) => clickloom(...call));
  }

  if (navigator.globalPrivacyControl || navigator.doNotTrack == '1') window[NAME] = () => {};
  else if (document.prerendering) on(document, 'prerenderingchange', start);
  else start();
})();
