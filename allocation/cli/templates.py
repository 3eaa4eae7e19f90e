"""The commands ``template cohort`` and ``template stock``: workbooks to fill in and load back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from allocation.cli.options import Panels, Products, Rulebook
from allocation.cli.shown import say, shown

__all__ = ["add_to"]

Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="A new workbook (.xlsx).")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    template = typer.Typer(
        help="Make a workbook to fill in, with lists of codes.",
        epilog="Example: igalloc template cohort --out cohort.xlsx",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    template.command("cohort", epilog="Example: igalloc template cohort --out cohort.xlsx")(cohort)
    template.command("stock", epilog="Example: igalloc template stock --out stock.xlsx")(stock)
    app.add_typer(template, name="template")


@shown
def cohort(*, out: Out, rulebook: Rulebook = "nhs", products: Products = None, panels: Panels = None) -> None:
    """Write a workbook in which a panel fills in its patients."""
    from allocation.workflow.rules_in_use import load_rules
    from allocation.workflow.templates import cohort_template, write_template

    write_template(cohort_template(load_rules(rulebook=rulebook, products=products, panels=panels)), out)
    say(f"Written to {out}; fill its first sheet, then: igalloc cohort check {out}")


@shown
def stock(*, out: Out, products: Products = None, panels: Panels = None) -> None:
    """Write a workbook in which a panel fills in its stock."""
    from allocation.workflow.rules_in_use import load_rules
    from allocation.workflow.templates import stock_template, write_template

    write_template(stock_template(load_rules(products=products, panels=panels)), out)
    say(f"Written to {out}; fill its first sheet, then: igalloc allocate --stock {out}")
