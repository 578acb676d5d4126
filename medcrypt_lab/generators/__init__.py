"""The seeded programs that drew the embedded images; imported only to build or to check `data/`."""
