"""Jobs: their records, the ledger, the doorbell, the workers, and what keeps them in agreement."""
