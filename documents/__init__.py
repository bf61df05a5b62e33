"""What leaves the portal in a form of its own: letters (later: bills, statements, receipts)."""
