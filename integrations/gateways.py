"""Which gateway this process talks to."""

from functools import lru_cache

from integrations.gateway import Gateway
from rules.terms import GatewayName
from settings import settings


@lru_cache
def gateway_called(name: GatewayName) -> Gateway:
    """The adapter of that name; one per process. A payment is asked about where it was begun, whatever is configured now."""
    if name is GatewayName.YOOKASSA:
        from integrations.yookassa import YooKassa

        chosen = settings()
        return YooKassa(shop_id=chosen.yookassa_shop_id, secret_key=chosen.yookassa_secret_key, api_url=chosen.yookassa_api_url)
    from integrations.test_bank import TestBank

    return TestBank()


def gateway() -> Gateway:
    """The gateway that new payments begin at."""
    return gateway_called(settings().payment_gateway)
