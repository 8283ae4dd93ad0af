"""The shop's pages as HTML. Pure: what is shown is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import msgspec

from services.api.shop.catalogue import CURRENCY, FAVOURITES, PRODUCTS, STYLES, Product, of_style

VARIANTS = ("a", "b")


@dataclass(frozen=True, slots=True)
class Around:
    """What every page has."""

    key: str | None  # of the tracker; None while AUTH is off
    variant: str  # of the landing page that this visitor is shown: a or b
    fault: str = ""  # why no clicks are sent


def landing(around: Around) -> str:
    """The vitrine, which there are two of: A leads by styles, B by one offer."""
    if around.variant == "a":
        head = _hero("Drinks from small places", "Brewed, pressed and stirred by people who sign the label.")
        body = f"{head}<h2>What are you in the mood for?</h2>{_styles()}<h2>Liked by many</h2>{_grid(_favourites())}"
    else:
        offer = '<p><a class="button" href="/shop/products" data-click="offer_opened">Fill a box of twelve</a></p>'
        head = _hero("Twelve bottles, one box, tomorrow", "Pick what you like; we carry it up the stairs.", offer)
        body = f"{head}<h2>Start with these</h2>{_grid(_favourites())}<h2>Or by style</h2>{_styles()}"
    return _page("Fernwald Drinks", "beer_vitrine_nav", body, around)


def products(around: Around) -> str:
    body = f"<h1>All drinks</h1>{_styles()}{_grid(PRODUCTS.values())}"
    return _page("All drinks", "beer_products", body, around)


def selection(style: str, around: Around) -> str:
    body = f"<h1>{STYLES[style]}</h1>{_styles(style)}{_grid(of_style(style))}"
    return _page(STYLES[style], "beer_selection", body, around)


def detail(product: Product, around: Around) -> str:
    others = [other for other in of_style(product.style) if other is not product]
    body = (
        f'<div class="detail">{_bottle(product, "large")}<div><h1>{product.name}</h1>'
        f'<p class="tale">{product.tale}</p><p>0.33 l · {product.strength} alcohol</p>'
        f'<p class="price">{_price(product)}</p>'
        f'<button class="button" data-add="{product.slug}" data-click="add_to_cart">Into the cart</button>'
        f'<p id="added" role="status"></p></div></div>'
        f"<h2>Also in {STYLES[product.style]}</h2>{_grid(others)}"
    )
    return _page(product.name, "beer_product_detail", body, around)


def cart(around: Around) -> str:
    body = f'<h1>Your cart</h1><div id="cart" aria-live="polite"></div>{_prices()}'
    return _page("Your cart", "beer_cart", body, around)


def checkout(around: Around) -> str:
    """`beer_checkout` is the order itself, which shop.js tells when it is placed: that is a conversion."""
    body = (
        '<h1>Checkout</h1><p id="due"></p><form id="order"><p>Nothing is sold and nothing is sent: it is a demo, and'
        " asks for no name.</p>"
        '<label>Deliver <select id="when"><option>tomorrow</option><option>on Saturday</option></select></label>'
        f'<button class="button">Place the order</button></form>{_prices()}'
    )
    return _page("Checkout", "", body, around)


def thanks(around: Around) -> str:
    body = '<h1>Thank you</h1><p id="thanks">Your order is on its way, or would be.</p>'
    return _page("Thank you", "", f'{body}<p><a href="/shop">Back to the shop</a></p>', around)


def _page(title: str, event: str, body: str, around: Around) -> str:
    key = f' data-key="{escape(around.key, quote=True)}"' if around.key else ""
    tracker = "" if around.fault else f'<script defer src="/t.js"{key}></script>'
    told = f' data-event="{event}" data-landing="{around.variant.upper()}"'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} · Fernwald Drinks</title><link rel="icon" href="/shop/files/icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/shop/files/shop.css"><script defer src="/shop/files/shop.js"></script>'
        f"{tracker}</head><body{told}>"
        '<header><a class="brand" href="/shop">Fernwald Drinks</a><nav aria-label="Shop">'
        '<a href="/shop/products">All drinks</a><a href="/shop/cart">Cart <span id="count"></span></a></nav></header>'
        f"<main>{body}</main>{_demo_bar(around)}</body></html>"
    )


def _demo_bar(around: Around) -> str:
    told = escape(around.fault) if around.fault else '<span id="visitor">Each click is on its way.</span>'
    return (
        f"<footer><p><strong>This is a demo: your visit.</strong> {told}</p>"
        '<p><a id="dashboard" href="/" target="dashboard">See it in the dashboard</a></p></footer>'
    )


def _hero(title: str, tale: str, more: str = "") -> str:
    return f'<div class="hero"><h1>{title}</h1><p>{tale}</p>{more}</div>'


def _favourites() -> list[Product]:
    return [PRODUCTS[slug] for slug in FAVOURITES]


def _styles(chosen: str = "") -> str:
    current = ' aria-current="page"'
    links = (
        f'<li><a href="/shop/selection/{style}"{current if style == chosen else ""}>{title}</a></li>'
        for style, title in STYLES.items()
    )
    return f'<ul class="styles">{"".join(links)}</ul>'


def _grid(shown: Iterable[Product]) -> str:
    return f'<ul class="grid">{"".join(map(_tile, shown))}</ul>'


def _tile(product: Product) -> str:
    return (
        f'<li><a class="tile" href="/shop/products/{product.slug}">{_bottle(product)}'
        f"<span>{product.name}</span><span>{_price(product)}</span></a></li>"
    )


def _bottle(product: Product, size: str = "") -> str:
    return (
        f'<svg class="bottle {product.colour} {size}" viewBox="0 0 60 150" aria-hidden="true">'
        '<path class="glass" d="M24 4h12v34c0 10 14 14 14 32v68q0 8-8 8H18q-8 0-8-8V70c0-18 14-22 14-32z"/>'
        '<rect class="cap" x="22" y="2" width="16" height="9" rx="2"/>'
        '<rect class="label" x="13" y="82" width="34" height="40" rx="3"/>'
        '<path class="mark" d="M20 112l10-22 10 22z"/></svg>'
    )


def _price(product: Product) -> str:
    return f"€ {product.price}"


def _prices() -> str:
    """What the script reckons with: a block of JSON, which is not run."""
    told = {product.slug: {"name": product.name, "price": str(product.price)} for product in PRODUCTS.values()}
    written = msgspec.json.encode({"currency": CURRENCY, "products": told}).decode().replace("<", "\\u003c")
    return f'<script type="application/json" id="prices">{written}</script>'
