"""The two networks: from the model's grid to 116 regions in the scan's own geometry."""
