"""Does the database agree with itself: balance = journal, bill = its lines, points = their entries."""

from dataclasses import dataclass

import sqlalchemy as sa

# Each query returns the rows that are wrong; an empty answer is what we want.
_CHECKS = {
    "a kept balance differs from the journal": """
        SELECT a.id, a.balance_kopecks, COALESCE(c.total, 0) - COALESCE(d.total, 0)
        FROM ledger_account a
        LEFT JOIN (SELECT credit_id, SUM(amount_kopecks) AS total FROM transfer GROUP BY credit_id) c ON c.credit_id = a.id
        LEFT JOIN (SELECT debit_id, SUM(amount_kopecks) AS total FROM transfer GROUP BY debit_id) d ON d.debit_id = a.id
        WHERE a.kind = 'customer' AND a.balance_kopecks <> COALESCE(c.total, 0) - COALESCE(d.total, 0)""",
    "a billing account has no ledger account": """
        SELECT b.id FROM billing_account b
        LEFT JOIN ledger_account a ON a.billing_account_id = b.id WHERE a.id IS NULL""",
    "a transfer touches another account than its own": """
        SELECT t.id FROM transfer t
        JOIN ledger_account d ON d.id = t.debit_id JOIN ledger_account c ON c.id = t.credit_id
        WHERE (t.billing_account_id IS NOT NULL AND (t.billing_account_id <> COALESCE(d.billing_account_id, c.billing_account_id)
                 OR (d.billing_account_id IS NULL) = (c.billing_account_id IS NULL)))
           OR (t.billing_account_id IS NULL AND (d.kind <> 'gateway' OR c.kind <> 'billers'))""",
    "a bill differs from its lines": """
        SELECT b.id, b.total_kopecks, COALESCE(l.total, 0) FROM bill b
        LEFT JOIN (SELECT bill_id, SUM(amount_kopecks) AS total FROM bill_line GROUP BY bill_id) l ON l.bill_id = b.id
        WHERE b.total_kopecks <> COALESCE(l.total, 0)""",
    "a bill line differs from its transfer": """
        SELECT l.id FROM bill_line l JOIN transfer t ON t.id = l.transfer_id JOIN bill b ON b.id = l.bill_id
        WHERE l.amount_kopecks <> t.amount_kopecks OR l.code <> t.code OR t.billing_account_id <> b.billing_account_id""",
    "a payment differs from its parts": """
        SELECT p.id FROM payment p
        LEFT JOIN (SELECT payment_id, SUM(amount_kopecks) AS total FROM payment_part GROUP BY payment_id) s ON s.payment_id = p.id
        LEFT JOIN utility_payment u ON u.payment_id = p.id
        WHERE (u.payment_id IS NULL AND p.amount_kopecks <> COALESCE(s.total, 0))
           OR (u.payment_id IS NOT NULL AND s.total IS NOT NULL)""",
    "a succeeded payment was not credited in full, or another was credited": """
        SELECT p.id FROM payment p
        LEFT JOIN (SELECT payment_id, SUM(amount_kopecks) AS total FROM transfer
                   WHERE code IN ('top_up', 'biller_payment') GROUP BY payment_id) t
               ON t.payment_id = p.id
        WHERE COALESCE(t.total, 0) <> CASE WHEN p.state = 'succeeded' THEN p.amount_kopecks ELSE 0 END""",
    "a refund was not posted exactly once, or more was refunded than paid": """
        SELECT r.id FROM refund r
        LEFT JOIN (SELECT billing_account_id, key, COUNT(*) AS times, SUM(amount_kopecks) AS total FROM transfer
                   WHERE code = 'refund' GROUP BY billing_account_id, key) t
               ON t.billing_account_id = r.billing_account_id AND t.key = 'refund:' || r.id
        WHERE COALESCE(t.total, 0) <> CASE WHEN r.state = 'succeeded' THEN r.amount_kopecks ELSE 0 END
        UNION
        SELECT MIN(r.id) FROM refund r
        JOIN payment_part p ON p.payment_id = r.payment_id AND p.billing_account_id = r.billing_account_id
        WHERE r.state <> 'declined'
        GROUP BY r.payment_id, r.billing_account_id, p.amount_kopecks HAVING SUM(r.amount_kopecks) > p.amount_kopecks""",
    "points were granted for more than stayed paid": """
        SELECT e.id FROM bonus_entry e JOIN payment p ON p.id = e.payment_id
        WHERE e.kind = 'earned' AND p.state <> 'succeeded'""",
    "a bonus lot differs from its entries": """
        SELECT l.id FROM bonus_lot l
        LEFT JOIN (SELECT lot_id, SUM(points) AS total FROM bonus_entry GROUP BY lot_id) e ON e.lot_id = l.id
        WHERE l.remaining <> COALESCE(e.total, 0)""",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of disagreement: what it is, how many rows, and the ids of the first few."""

    what: str
    rows: int
    examples: tuple[int, ...]


def faults(connection: sa.Connection) -> list[Fault]:
    """Every disagreement in the database; an empty list when there is none."""
    found = []
    for what, query in _CHECKS.items():
        wrong = connection.execute(sa.text(query)).all()
        if wrong:
            found.append(Fault(what, len(wrong), tuple(int(row[0]) for row in wrong[:5])))
    return found
