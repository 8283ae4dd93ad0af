"""What the shop sells. All names are made up."""

from dataclasses import dataclass
from decimal import Decimal

CURRENCY = "EUR"


@dataclass(frozen=True, slots=True)
class Product:
    slug: str
    name: str
    style: str  # one of STYLES
    price: Decimal
    colour: str  # a class of shop.css that colours the bottle
    strength: str
    tale: str


STYLES = {
    "lager": "Lagers",
    "ale": "Ales",
    "stout": "Stouts and porters",
    "wheat": "Wheat beers",
    "cider": "Ciders",
    "lemonade": "Lemonades",
}

_ROWS = (
    ("morgenrot", "Morgenrot Helles", "lager", "1.90", "straw", "4.9 %", "Soft, bready, gone before you notice."),
    ("steinbruch", "Steinbruch Pils", "lager", "2.10", "gold", "5.1 %", "Dry as its name, with a long bitter end."),
    ("nachtwache", "Nachtwache Dunkel", "lager", "2.30", "brown", "5.4 %", "Crust of bread and a little caramel."),
    ("kite", "Red Kite Ale", "ale", "2.80", "copper", "5.6 %", "Toffee first, then orange peel."),
    ("driftwood", "Driftwood Pale", "ale", "2.90", "amber", "5.2 %", "Grapefruit and pine, light on its feet."),
    ("switchback", "Switchback IPA", "ale", "3.40", "amber", "6.8 %", "Mango, resin, and a bend every few seconds."),
    ("coalhole", "Coal Hole Stout", "stout", "3.20", "black", "5.9 %", "Espresso without the hurry."),
    ("lamplight", "Lamplight Porter", "stout", "3.10", "brown", "5.5 %", "Dark chocolate and dried figs."),
    ("weissdorn", "Weissdorn Weisse", "wheat", "2.40", "cloudy", "5.3 %", "Banana, clove, and a proper head."),
    ("feldweg", "Feldweg Alkoholfrei", "wheat", "1.80", "cloudy", "0.4 %", "For those who drive home."),
    ("orchard", "Old Orchard Cider", "cider", "3.00", "apple", "4.5 %", "Sharp apples, left alone for a winter."),
    ("pomona", "Pomona Rosé Cider", "cider", "3.30", "rose", "4.2 %", "Red-fleshed apples and a little rhubarb."),
    ("zitronat", "Zitronat Lemonade", "lemonade", "1.60", "lemon", "0 %", "Whole lemons, less sugar than you fear."),
    ("elderhill", "Elder Hill Lemonade", "lemonade", "1.70", "mint", "0 %", "Elderflower, lime, a leaf of mint."),
)
PRODUCTS = {
    slug: Product(slug, name, style, Decimal(price), colour, strength, tale)
    for slug, name, style, price, colour, strength, tale in _ROWS
}
FAVOURITES = ("morgenrot", "switchback", "coalhole", "orchard")


def of_style(style: str) -> list[Product]:
    return [product for product in PRODUCTS.values() if product.style == style]
