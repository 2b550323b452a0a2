"""Who is let in: founding a market, inviting, joining, certificates, charters, and what a member looks after."""
