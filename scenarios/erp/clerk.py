"""A clerk's day in Tryton, through the interface that its client uses (JSON-RPC); prints TAP.

    clerk.py before URL           sells, ships and invoices to one customer
    clerk.py after URL            finds that invoice, number $invoice, again, posts another one, and balances the books
"""

import base64
import datetime
import io
import json
import os
import sys
import time
import urllib.error
import urllib.request
import zipfile
from decimal import Decimal

# What is ordered, and what it costs: 3 x 0.335 and 3 x 0.345 are rounded to the even cent, line by line.
ORDER = [("Pencil", 3, "0.335"), ("Eraser", 3, "0.345"), ("Ledger book", 2, "19.90")]
LINES = [Decimal("1.00"), Decimal("1.04"), Decimal("39.80")]
UNTAXED, TAX, TOTAL = Decimal("41.84"), Decimal("7.95"), Decimal("49.79")


class Refused(Exception):
    """The server did not do what it was asked for."""


class Server:
    """The server, as one user sees it."""

    def __init__(self, url):
        self.url, self.authorization, self.context = url, None, {}

    def request(self, method, *params):
        """The result of one remote call."""
        headers = {"Content-Type": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        body = json.dumps({"id": 1, "method": method, "params": params}, default=encode).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=240) as answer:
                reply = json.load(answer, object_hook=decode)
        except urllib.error.HTTPError as error:
            raise Refused(f"{method}: HTTP status {error.code}") from error
        except (OSError, ValueError) as error:
            raise Refused(f"{method}: {error}") from error
        if isinstance(reply, dict) and reply.get("error"):
            raise Refused(f"{method}: {reply['error']}")
        return reply["result"] if isinstance(reply, dict) and "result" in reply else reply

    def login(self, user, password):
        """Logs in and takes over the user's preferences, as the client does."""
        number, session = self.request("common.db.login", user, {"password": password}, "en")[:2]
        token = base64.b64encode(f"{user}:{number}:{session}".encode()).decode()
        self.authorization = f"Session {token}"
        self.context = self.request("model.res.user.get_preferences", True, {})

    def call(self, model, method, *params, **context):
        """Calls a method of a model."""
        return self.request(f"model.{model}.{method}", *params, {**self.context, **context})

    def find(self, model, domain, fields, order=None, **context):
        """The records of a model that fit."""
        return self.call(model, "search_read", domain, 0, None, order, fields, **context)

    def one(self, model, domain, fields):
        """The one record of a model that fits."""
        found = self.find(model, domain, fields)
        if len(found) != 1:
            raise Refused(f"{len(found)} records of {model} fit {domain}")
        return found[0]


def encode(value):
    """What JSON lacks, as Tryton writes it."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime.date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    raise TypeError(type(value))


def decode(value):
    """The reverse of `encode`, and bytes."""
    kind = value.get("__class__")
    if kind == "Decimal":
        return Decimal(value["decimal"])
    if kind == "date":
        return datetime.date(value["year"], value["month"], value["day"])
    if kind == "bytes":
        return base64.b64decode(value["base64"])
    return value


class Tap:
    """Results as they come: one line each, and a reason where it failed."""

    def __init__(self):
        self.count = self.failed = 0

    def ok(self, passed, name, reason=""):
        self.count += 1
        self.failed += not passed
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}")
        if not passed and reason:
            print("# " + str(reason).replace("\n", "\n# "))
        sys.stdout.flush()

    def equal(self, got, expected, name):
        self.ok(got == expected, name, f"got {got}, expected {expected}")

    def end(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def login(tap, url):
    """The clerk's session."""
    stranger = Server(url)
    try:
        stranger.login("clerk", "not-the-password")
        tap.ok(False, "a wrong password is refused")
    except Refused as refused:
        tap.ok("401" in str(refused), "a wrong password is refused", refused)
    server = Server(url)
    # The server may still be starting: only a first connection is waited for.
    deadline = time.monotonic() + 60
    while True:
        try:
            server.login("clerk", "clerk-of-the-lab")
            break
        except Refused as refused:
            if "HTTP status 502" not in str(refused) or time.monotonic() > deadline:
                tap.ok(False, "the clerk logs in", refused)
                raise
            time.sleep(3)
    tap.ok(True, "the clerk logs in")
    return server


def sell(tap, server, name, reference):
    """Sells to a customer, ships, and posts the invoice; its id and number."""
    company = server.context["company"]
    customers = server.find("party.party", [("name", "=", name)], ["addresses"])
    if customers:
        customer = customers[0]["id"]
    else:
        address = {"street": "1 High Street", "city": "Lincoln"}
        (customer,) = server.call("party.party", "create", [{"name": name, "addresses": [("create", [address])]}])
    (address,) = server.find("party.address", [("party", "=", customer)], [])
    tap.ok(True, f"{name} is a customer")

    tax = server.one("account.tax", [("name", "=", "VAT 19 %")], [])
    lines = []
    for product, quantity, price in ORDER:
        found = server.one("product.product", [("name", "=", product)], ["sale_uom"])
        lines.append({
            "product": found["id"], "quantity": float(quantity), "unit": found["sale_uom"],
            "unit_price": Decimal(price), "taxes": [("add", [tax["id"]])],
        })
    order = {
        "company": company, "party": customer, "reference": reference, "lines": [("create", lines)],
        "invoice_address": address["id"], "shipment_address": address["id"],
        "invoice_method": "order", "shipment_method": "order",
    }
    (sale,) = server.call("sale.sale", "create", [order])
    for button in ["quote", "confirm"]:
        server.call("sale.sale", button, [sale])
    fields = ["state", "untaxed_amount", "tax_amount", "total_amount", "invoices", "shipments"]
    found = server.one("sale.sale", [("id", "=", sale)], fields)
    tap.equal(found["state"], "processing", f"{name}'s order is taken")
    amounts = (found["untaxed_amount"], found["tax_amount"], found["total_amount"])
    tap.equal(amounts, (UNTAXED, TAX, TOTAL), "its amounts are rounded to the even cent, line by line")

    shipment = found["shipments"]
    for button in ["assign_try", "pick", "pack", "done"]:
        server.call("stock.shipment.out", button, shipment)
    tap.equal(server.one("stock.shipment.out", [("id", "in", shipment)], ["state"])["state"], "done",
              "the goods are shipped")

    invoice = found["invoices"]
    server.call("account.invoice", "post", invoice)
    posted = server.one("account.invoice", [("id", "in", invoice)], ["state", "number", "total_amount"])
    tap.equal((posted["state"], posted["total_amount"]), ("posted", TOTAL), "the invoice is posted")
    print(f"# invoice {posted['number']}")
    return posted["id"], posted["number"]


def ledger(tap, server, invoice, number):
    """Looks an invoice up in the ledger."""
    found = server.one("account.invoice", [("id", "=", invoice)], ["move", "state"])
    lines = server.find("account.move.line", [("move", "=", found["move"])], ["debit", "credit"])
    debits = sorted(line["debit"] for line in lines if line["debit"])
    credits = sorted(line["credit"] for line in lines if line["credit"])
    tap.equal((debits, credits), ([TOTAL], sorted([*LINES, TAX])), f"{number} is in the ledger, to the cent")


def books(tap, server):
    """Balances the books."""
    invoices = len(server.find("account.invoice", [("state", "=", "posted")], []))
    lines = server.find("account.move.line", [("move.state", "=", "posted")], ["debit", "credit"])
    debit, credit = (sum(line[side] for line in lines) for side in ["debit", "credit"])
    tap.ok(lines and debit == credit, "debits and credits are equal", f"debit {debit}, credit {credit}")
    year = server.one("account.fiscalyear", [
        ("start_date", "<=", datetime.date.today()), ("end_date", ">=", datetime.date.today()),
    ], [])
    accounts = server.find("account.general_ledger.account", [], ["account.name", "debit", "credit"], None,
                           fiscalyear=year["id"], posted=True)
    totals = tuple(sum(account[side] for account in accounts) for side in ["debit", "credit"])
    tap.equal(totals, (invoices * TOTAL, invoices * TOTAL), "the general ledger has every invoice, and balances")


def report(tap, server, invoice, number, customer):
    """Prints an invoice and reads what is on the paper."""
    kind, data, _, _ = server.request("report.account.invoice.execute", [invoice],
                                      {"model": "account.invoice", "id": invoice, "ids": [invoice]}, server.context)
    tap.equal(kind, "odt", f"{number} is printed")
    data = data.encode() if isinstance(data, str) else data
    with zipfile.ZipFile(io.BytesIO(data)) as paper:
        text = paper.read("content.xml").decode()
    for words in [number, customer, "Ledger book", str(TOTAL)]:
        tap.ok(words in text, f"it says {words}", f"{len(text)} characters without it")


def before(tap, url):
    """What must survive the window."""
    server = login(tap, url)
    invoice, number = sell(tap, server, "Early Bird Ltd", "window-before")
    ledger(tap, server, invoice, number)


def after(tap, url, number):
    """What must have survived it, and a new day's work."""
    server = login(tap, url)
    kept = server.one("account.invoice", [("number", "=", number)], ["party.name", "state", "total_amount"])
    tap.equal((kept["state"], kept["total_amount"]), ("posted", TOTAL), f"{number} is still there")
    ledger(tap, server, kept["id"], number)
    invoice, new = sell(tap, server, "Late Riser Ltd", "window-after")
    stem, last = number.rsplit("-", 1)
    tap.equal(new, f"{stem}-{int(last) + 1:0{len(last)}}", f"its number follows {number}")
    ledger(tap, server, invoice, new)
    books(tap, server)
    for record, text, customer in [(kept["id"], number, "Early Bird Ltd"), (invoice, new, "Late Riser Ltd")]:
        report(tap, server, record, text, customer)


def main(phase, url):
    tap = Tap()
    try:
        if phase == "before":
            before(tap, url)
        else:
            after(tap, url, os.environ["invoice"])
    except Refused as refused:
        tap.ok(False, "nothing is refused", refused)
    return tap.end()


sys.exit(main(*sys.argv[1:3]))
