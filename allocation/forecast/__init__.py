"""Monthly history to forecast: reading what is published, models, back-test and intervals."""

from allocation.forecast.backtest import Backtest, backtest
from allocation.forecast.findings import findings
from allocation.forecast.history import History, Note, load_history
from allocation.forecast.models import MODELS
from allocation.forecast.project import Forecast, forecast
from allocation.forecast.sample import write_sample
from allocation.forecast.settings import Settings, load_settings

__all__ = [
    "MODELS",
    "Backtest",
    "Forecast",
    "History",
    "Note",
    "Settings",
    "backtest",
    "findings",
    "forecast",
    "load_history",
    "load_settings",
    "write_sample",
]
