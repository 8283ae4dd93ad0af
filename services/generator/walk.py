"""The shop's pages, and how visitors walk from one to the next: a Markov chain. Pure."""

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import log
from random import Random
from typing import Generic, TypeVar

from clickloom.times import SECOND_US

T = TypeVar("T")

VITRINE = "beer_vitrine_nav"
PRODUCTS = "beer_products"
SELECTION = "beer_selection"
DETAIL = "beer_product_detail"
CART = "beer_cart"
CHECKOUT = "beer_checkout"
LEAVE = ""


class Choice(Generic[T]):
    """One of several by weight."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self._options = tuple(weights)
        *bounds, total = accumulate(weights.values())
        self._bounds = [bound / total for bound in bounds]

    def draw(self, random: Random) -> T:
        return self._options[bisect(self._bounds, random.random())]


ENTRY = Choice({VITRINE: 55, PRODUCTS: 15, SELECTION: 12, DETAIL: 18})

# A visitor who will not buy may leave at every page. None of them checks out: how many visits buy is set, not found.
BROWSING = {
    VITRINE: Choice({PRODUCTS: 42, SELECTION: 22, DETAIL: 10, LEAVE: 26}),
    PRODUCTS: Choice({DETAIL: 46, SELECTION: 20, VITRINE: 10, LEAVE: 24}),
    SELECTION: Choice({DETAIL: 48, PRODUCTS: 22, VITRINE: 6, LEAVE: 24}),
    DETAIL: Choice({PRODUCTS: 30, SELECTION: 16, CART: 12, DETAIL: 8, LEAVE: 34}),
    CART: Choice({PRODUCTS: 28, DETAIL: 12, VITRINE: 6, LEAVE: 54}),
    CHECKOUT: Choice({VITRINE: 16, PRODUCTS: 6, LEAVE: 78}),
}

# A buyer stays until the order is placed.
BUYING = {
    VITRINE: Choice({PRODUCTS: 50, SELECTION: 25, DETAIL: 25}),
    PRODUCTS: Choice({DETAIL: 70, SELECTION: 25, VITRINE: 5}),
    SELECTION: Choice({DETAIL: 72, PRODUCTS: 28}),
    DETAIL: Choice({CART: 52, PRODUCTS: 26, SELECTION: 16, DETAIL: 6}),
    CART: Choice({CHECKOUT: 66, PRODUCTS: 24, DETAIL: 10}),
    CHECKOUT: BROWSING[CHECKOUT],
}

_READING_S = {VITRINE: 8, PRODUCTS: 12, SELECTION: 10, DETAIL: 25, CART: 15, CHECKOUT: 40}
_SHORTEST_S = 1.0

_SITE = "https://shop.example"
_URLS = {
    VITRINE: [f"{_SITE}/"],
    PRODUCTS: [f"{_SITE}/products?page={page}" for page in range(1, 9)],
    SELECTION: [f"{_SITE}/selection/{style}" for style in ("ale", "bock", "ipa", "lager", "porter", "stout", "wheat")],
    DETAIL: [f"{_SITE}/products/{number}" for number in range(101, 161)],
    CART: [f"{_SITE}/cart"],
    CHECKOUT: [f"{_SITE}/checkout"],
}


LANDINGS = {"A": f"{_SITE}/", "B": f"{_SITE}/welcome"}  # of the first page of a visit, by the side of the experiment


def page_url(random: Random, page: str) -> str:
    urls = _URLS[page]
    return urls[int(random.random() * len(urls))]


def reading_us(random: Random, page: str) -> int:
    """How long a visitor looks at a page: at least a second, exponential beyond."""
    return int((_SHORTEST_S - log(1 - random.random()) * _READING_S[page]) * SECOND_US)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a visit comes from."""

    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None


SOURCES = Choice(
    {
        Source(): 38,
        Source("https://www.google.com/"): 26,
        Source("https://duckduckgo.com/"): 4,
        Source("https://www.google.com/", "google", "cpc", "brand"): 9,
        Source("https://www.google.com/", "google", "cpc", "craft-beer"): 7,
        Source(None, "newsletter", "email", "weekly"): 8,
        Source("https://www.instagram.com/", "instagram", "social", "summer"): 5,
        Source("https://beer-blog.example/best-stouts"): 3,
    }
)
