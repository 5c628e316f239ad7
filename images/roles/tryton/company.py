"""Sets up a company in a new database of Tryton's, as its administrator would with the client: company, chart of
accounts, fiscal years, tax, payment term, products on stock, and a clerk.

    company.py TRYTOND.CONF
"""

import datetime
import sys
from decimal import Decimal

from proteus import Model, Wizard, config

CLERK = {"name": "Clara Clerk", "login": "clerk", "password": "clerk-of-the-lab"}
# Prices whose amounts need rounding: 3 times 0.335 is 1.005.
PRODUCTS = [("Pencil", "0.335"), ("Eraser", "0.345"), ("Ledger book", "19.90")]


def one(model, *clauses):
    """The one record of a model that fits."""
    (record,) = Model.get(model).find(list(clauses))
    return record


def new(model, **values):
    """A saved record."""
    record = Model.get(model)(**values)
    record.save()
    return record


def company():
    """The company, in euro, in the administrator's context."""
    euro = new("currency.currency", name="Euro", symbol="€", code="EUR", rounding=Decimal("0.01"), digits=2)
    euro.rates.new(date=datetime.date(2020, 1, 1), rate=Decimal(1))
    euro.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party = new("party.party", name="Stationer Ltd")
    wizard.form.currency = euro
    wizard.execute("add")
    connection = config.get_config()
    connection._context = Model.get("res.user").get_preferences(True, connection.context)
    return one("company.company")


def accounts_of(owner):
    """The accounts of the small chart that comes with Tryton, by kind."""
    template = one("ir.model.data", ("module", "=", "account"), ("fs_id", "=", "account_template_root_en"))
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template = Model.get("account.account.template")(template.db_id)
    wizard.form.company = owner
    wizard.execute("create_account")
    kinds = {kind: one("account.account", (f"type.{kind}", "=", True), ("company", "=", owner.id))
             for kind in ["receivable", "payable", "revenue", "expense"]}
    wizard.form.account_receivable = kinds["receivable"]
    wizard.form.account_payable = kinds["payable"]
    wizard.execute("create_properties")
    kinds["tax"] = one("account.account", ("name", "=", "Main Tax"), ("company", "=", owner.id))
    return kinds


def sequence(kind, name, owner, **values):
    """Numbers for documents of a kind."""
    model = "ir.sequence.strict" if kind == "Invoice" else "ir.sequence"
    return new(model, name=name, sequence_type=one("ir.sequence.type", ("name", "=", kind)), company=owner, **values)


def fiscal_year(owner, year):
    """A fiscal year of twelve open periods, with its own numbers for moves and invoices."""
    record = Model.get("account.fiscalyear")(
        name=str(year),
        start_date=datetime.date(year, 1, 1),
        end_date=datetime.date(year, 12, 31),
        company=owner,
        post_move_sequence=sequence("Account Move", f"Moves {year}", owner),
    )
    numbers = sequence("Invoice", f"Invoices {year}", owner, prefix=f"INV-{year}-", padding=5)
    (invoices,) = record.invoice_sequences
    for kind in ["out_invoice", "in_invoice", "out_credit_note", "in_credit_note"]:
        setattr(invoices, f"{kind}_sequence", numbers)
    record.save()
    record.click("create_period")


def vat(accounts):
    """The tax on sales."""
    name = "VAT 19 %"
    return new("account.tax", name=name, description=name, type="percentage", rate=Decimal("0.19"),
               invoice_account=accounts["tax"], credit_note_account=accounts["tax"])


def products(accounts, tax):
    """Goods with prices, and a hundred of each on stock."""
    category = Model.get("product.category")(name="Stationery", accounting=True)
    category.account_expense = accounts["expense"]
    category.account_revenue = accounts["revenue"]
    category.customer_taxes.append(tax)
    category.save()
    unit = one("product.uom", ("name", "=", "Unit"))
    inventory = Model.get("stock.inventory")(location=one("stock.location", ("code", "=", "STO")))
    for name, price in PRODUCTS:
        template = new(
            "product.template",
            name=name,
            default_uom=unit,
            type="goods",
            salable=True,
            list_price=Decimal(price),
            account_category=category,
        )
        line = inventory.lines.new(product=template.products[0])
        line.quantity = 100.0
        line.expected_quantity = 0.0
    inventory.click("confirm")


def clerk(owner):
    """A user who sells, ships and keeps the books, and administers nothing."""
    user = Model.get("res.user")(**CLERK)
    user.companies.append(owner)
    user.company = Model.get("company.company")(owner.id)
    for group in ["Accounting", "Account", "Sales", "Stock", "Party", "Product"]:
        for found in Model.get("res.group").find([("name", "=", group)]):
            user.groups.append(found)
    user.save()
    print("groups of the clerk:", ", ".join(group.name for group in user.groups))


def main(trytond):
    config.set_trytond("postgresql://tryton:tryton-lab@localhost:5432/erp", config_file=trytond)
    owner = company()
    accounts = accounts_of(owner)
    year = datetime.date.today().year
    fiscal_year(owner, year)
    fiscal_year(owner, year + 1)
    term = Model.get("account.invoice.payment_term")(name="30 days")
    term.lines.new(type="remainder").relativedeltas.new(days=30)
    term.save()
    products(accounts, vat(accounts))
    clerk(owner)


main(sys.argv[1])
