"""How members meet: five ways to find a place to knock, the lobby that answers there, and who was met where."""
