"""The demo: a year of real flights, replayed through the public doors of a running Keyfold."""
