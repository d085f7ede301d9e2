"""Reports: what a published run says, for people."""
