"""Measuring the market: the same contest of bidders in processes of their own, over Vendue or over a rival."""
