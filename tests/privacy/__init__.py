"""Nothing leaked: names, small cells, formulas, payloads, the audit log, purging, the network."""
