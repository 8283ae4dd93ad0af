// The shop's own script: what happens is told to Clickloom, and the cart lies in the browser.
(() => {
  'use strict';
  const CART = 'shop.cart';
  const EVENT = 'beer_checkout'; // the order: Clickloom's settings count it as a conversion
  const { event, landing } = document.body.dataset;
  const at = (id) => document.getElementById(id);

  // What is told before the tracker is there waits for it, and comes after the page view.
  window.clickloom = window.clickloom || function () { (clickloom.q = clickloom.q || []).push(arguments); };

  function tell(name, more) {
    window.clickloom(name, { experiments: { landing }, ...more });
  }

  function cart() {
    try {
      return JSON.parse(localStorage.getItem(CART)) || {};
    } catch (error) {
      return {};
    }
  }

  function keep(items) {
    localStorage.setItem(CART, JSON.stringify(items));
    count();
  }

  function count() {
    const pieces = Object.values(cart()).reduce((sum, number) => sum + number, 0);
    at('count').textContent = pieces ? `(${pieces})` : '';
  }

  function element(name, properties, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const prices = at('prices') && JSON.parse(at('prices').textContent);
  const lines = () => Object.entries(cart()).filter(([slug]) => prices.products[slug]);
  const cents = (slug) => Math.round(prices.products[slug].price * 100);
  const total = () => (lines().reduce((sum, [slug, number]) => sum + number * cents(slug), 0) / 100).toFixed(2);

  function showCart() {
    const rows = lines().map(([slug, number]) => {
      const out = element('button', { 'data-click': 'remove_from_cart', 'aria-label': `Take ${prices.products[slug].name} out` }, 'Take out');
      out.addEventListener('click', () => {
        const items = cart();
        delete items[slug];
        keep(items);
        showCart();
      });
      return element('li', {}, element('span', {}, `${number} × ${prices.products[slug].name}`),
        element('span', {}, `€ ${((number * cents(slug)) / 100).toFixed(2)}`), out);
    });
    if (!rows.length) {
      return at('cart').replaceChildren(element('p', {}, 'It is empty. '), element('a', { href: '/shop/products' }, 'Choose something'));
    }
    at('cart').replaceChildren(element('ul', { class: 'lines' }, ...rows), element('p', { class: 'price' }, `€ ${total()} in all`),
      element('a', { class: 'button', href: '/shop/checkout', 'data-click': 'checkout_opened' }, 'To the checkout'));
  }

  function offerOrder() {
    at('due').textContent = lines().length ? `€ ${total()} for ${lines().length} kinds of drink` : 'Your cart is empty.';
    at('order').hidden = !lines().length;
    at('order').addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      const order = `shop-${crypto.randomUUID().slice(0, 13)}`;
      tell(EVENT, { order_id: order, revenue: total(), currency: prices.currency });
      keep({});
      location.assign(`/shop/thanks#${order}`);
    });
  }

  function showVisitor() {
    const visitor = /^\w{32}$/.test(localStorage.clickloom) ? localStorage.clickloom : '';
    const silent = navigator.globalPrivacyControl || navigator.doNotTrack === '1';
    if (silent && at('visitor')) at('visitor').textContent = 'Your browser asks for privacy, so nothing is sent.';
    else if (visitor && at('visitor')) at('visitor').textContent = `You are ${visitor.slice(0, 8)}….`;
    if (!visitor) return;
    const filters = JSON.stringify([['is', 'user_id', [visitor]]]);
    at('dashboard').href = `/sessions?${new URLSearchParams({ range: '24h', filters })}`;
  }

  document.querySelectorAll('[data-add]').forEach((button) => button.addEventListener('click', () => {
    const items = cart();
    items[button.dataset.add] = (items[button.dataset.add] || 0) + 1;
    keep(items);
    at('added').textContent = 'It is in your cart.';
  }));
  count();
  if (at('cart')) showCart();
  if (at('order')) offerOrder();
  if (at('thanks') && location.hash) at('thanks').textContent = `Your order ${location.hash.slice(1)} is on its way, or would be.`;
  if (event) tell(event);
  addEventListener('load', showVisitor); // the tracker has made its id by then
})();
