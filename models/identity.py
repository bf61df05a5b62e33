"""Who a person is elsewhere."""

from datetime import datetime

import sqlalchemy as sa

from models.base import Table, key, ref, text


class ExternalIdentity(Table, table=True):
    """An identity at an OpenID provider that signs a person in here. Its key is issuer and subject, never the e-mail."""

    __tablename__ = "external_identity"
    __table_args__ = (
        sa.UniqueConstraint("issuer", "subject"),
        sa.UniqueConstraint("customer_id", "provider", name="uq_external_identity_customer_provider"),
    )

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    provider: str = text(40)
    issuer: str = text(200)
    subject: str = text(255)
    shown_as: str = text(254, default="")
    bound_at: datetime
