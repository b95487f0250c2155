"""What the shipped networks are worth: beside registration in one table, and on scans made worse on purpose."""
