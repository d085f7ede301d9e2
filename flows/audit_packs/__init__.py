"""What an auditor is handed: bundles of tables about one clinic and period, with their hashes."""
