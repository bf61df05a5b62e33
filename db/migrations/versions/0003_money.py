"""money: payments through a gateway, cards attached without paying, refunds, billers, documents that go with letters"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

from db.migrations.guards import reword, widen

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

TRANSFERS = ['top_up', 'plan_fee', 'option_fee', 'one_off', 'late_fee', 'bonus_spent', 'refund']
DECLINES = ['insufficient_funds', 'card_expired', 'bank_refused', 'limit_exceeded']
MORE_DECLINES = ['card_blocked', 'not_confirmed', 'not_finished', 'gateway_refused']


def upgrade() -> None:
    for table in ('transfer', 'bill_line'):
        widen(table, 'code', 'transfercode', TRANSFERS, ['biller_payment'])
    for table in ('payment', 'autopay_run'):
        widen(table, 'decline_reason', 'declinereason', DECLINES, MORE_DECLINES)
    widen('ledger_account', 'kind', 'ledgerkind', ['customer', 'gateway', 'cash', 'revenue', 'bonus'], ['billers'])

    own = "(code = 'biller_payment') = (billing_account_id IS NULL)"
    if op.get_bind().dialect.name == 'sqlite':
        reword(
            'transfer',
            ('billing_account_id INTEGER NOT NULL', 'billing_account_id INTEGER'),
            ('CONSTRAINT ck_transfer_positive', f'CONSTRAINT ck_transfer_own_account CHECK ({own}), \n\tCONSTRAINT ck_transfer_positive'),
        )
    else:
        op.alter_column('transfer', 'billing_account_id', nullable=True)
        op.create_check_constraint(op.f('ck_transfer_own_account'), 'transfer', own)
    op.create_index(
        'uq_transfer_key_of_billers', 'transfer', ['key'], unique=True,
        sqlite_where=sa.text('billing_account_id IS NULL'), postgresql_where=sa.text('billing_account_id IS NULL'),
    )

    # Plain additions: nothing is copied on either database.
    op.add_column('message', sa.Column('document', sa.String(length=80), nullable=False, server_default=''))
    gateways = "CHECK (gateway IN ('test_bank', 'yookassa'))"
    op.execute(f'ALTER TABLE payment ADD COLUMN gateway VARCHAR(24) CONSTRAINT ck_payment_gatewayname {gateways}')
    for column in (
        sa.Column('gateway_key', sa.String(length=64), nullable=True),
        sa.Column('gateway_ref', sa.String(length=64), nullable=True),
        sa.Column('keeps_card', sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column('return_url', sa.String(length=300), nullable=False, server_default=''),
        sa.Column('asked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column('trouble', sa.String(length=200), nullable=False, server_default=''),
    ):
        op.add_column('payment', column)
    pending = sa.text("state = 'pending'")
    op.create_index('ix_payment_pending', 'payment', ['created_at'], sqlite_where=pending, postgresql_where=pending)
    op.create_index('uq_payment_gateway_key', 'payment', ['gateway_key'], unique=True)
    op.create_index('uq_payment_gateway_ref', 'payment', ['gateway_ref'], unique=True)

    op.create_table('biller',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('category', sa.Enum('housing', 'power', 'gas', 'water', 'heat', 'kindergarten', 'education', 'parking', 'security', name='billercategory', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('name_ru', sa.String(length=80), nullable=False),
    sa.Column('name_en', sa.String(length=80), nullable=False),
    sa.Column('inn', sa.String(length=12), nullable=False),
    sa.Column('least_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('most_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.CheckConstraint('least_kopecks > 0', name=op.f('ck_biller_least')),
    sa.CheckConstraint('most_kopecks >= least_kopecks', name=op.f('ck_biller_most')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_biller')),
    sa.UniqueConstraint('code', name=op.f('uq_biller_code'))
    )
    op.create_table('test_bank_card',
    sa.Column('token', sa.String(length=64), nullable=False),
    sa.Column('brand', sa.String(length=24), nullable=False),
    sa.Column('last_four', sa.String(length=4), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=False),
    sa.Column('behaviour', sa.String(length=24), nullable=False),
    sa.PrimaryKeyConstraint('token', name=op.f('pk_test_bank_card'))
    )
    op.create_table('test_bank_payment',
    sa.Column('ref', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('description', sa.String(length=200), nullable=False),
    sa.Column('return_url', sa.String(length=300), nullable=False),
    sa.Column('keeps_card', sa.Boolean(), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('reason', sa.String(length=24), nullable=False),
    sa.Column('token', sa.String(length=64), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('silent_until', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('decides_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('settled_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint("state IN ('pending', 'succeeded', 'declined')", name=op.f('ck_test_bank_payment_state')),
    sa.CheckConstraint('amount_kopecks >= 0', name=op.f('ck_test_bank_payment_not_negative')),
    sa.PrimaryKeyConstraint('ref', name=op.f('pk_test_bank_payment')),
    sa.UniqueConstraint('key', name=op.f('uq_test_bank_payment_key'))
    )
    op.create_table('biller_field',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('biller_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=24), nullable=False),
    sa.Column('kind', sa.Enum('payer_code', 'period', 'reading', 'text', name='billerfieldkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('label_ru', sa.String(length=60), nullable=False),
    sa.Column('label_en', sa.String(length=60), nullable=False),
    sa.Column('hint_ru', sa.String(length=120), nullable=False),
    sa.Column('hint_en', sa.String(length=120), nullable=False),
    sa.Column('required', sa.Boolean(), nullable=False),
    sa.Column('shortest', sa.Integer(), nullable=False),
    sa.Column('longest', sa.Integer(), nullable=False),
    sa.Column('decimals', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.CheckConstraint('decimals BETWEEN 0 AND 3', name=op.f('ck_biller_field_decimals')),
    sa.CheckConstraint('shortest >= 0 AND longest >= shortest AND longest <= 60', name=op.f('ck_biller_field_lengths')),
    sa.ForeignKeyConstraint(['biller_id'], ['biller.id'], name=op.f('fk_biller_field_biller_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_biller_field')),
    sa.UniqueConstraint('biller_id', 'code', name=op.f('uq_biller_field_biller_id_code'))
    )
    op.create_table('biller_region',
    sa.Column('biller_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.ForeignKeyConstraint(['biller_id'], ['biller.id'], name=op.f('fk_biller_region_biller_id')),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], name=op.f('fk_biller_region_region_code')),
    sa.PrimaryKeyConstraint('biller_id', 'region_code', name=op.f('pk_biller_region'))
    )
    with op.batch_alter_table('biller_region', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_biller_region_region_code'), ['region_code'], unique=False)

    op.create_table('test_bank_refund',
    sa.Column('ref', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('payment_ref', sa.String(length=64), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_test_bank_refund_positive')),
    sa.ForeignKeyConstraint(['payment_ref'], ['test_bank_payment.ref'], name=op.f('fk_test_bank_refund_payment_ref')),
    sa.PrimaryKeyConstraint('ref', name=op.f('pk_test_bank_refund')),
    sa.UniqueConstraint('key', name=op.f('uq_test_bank_refund_key'))
    )
    with op.batch_alter_table('test_bank_refund', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_test_bank_refund_payment_ref'), ['payment_ref'], unique=False)

    op.create_table('utility_template',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('biller_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('fields', sa.JSON(), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('removed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_utility_template_positive')),
    sa.ForeignKeyConstraint(['biller_id'], ['biller.id'], name=op.f('fk_utility_template_biller_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_utility_template_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_utility_template'))
    )
    with op.batch_alter_table('utility_template', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_utility_template_customer_id'), ['customer_id'], unique=False)

    op.create_table('card_setup',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Enum('pending', 'succeeded', 'declined', name='paymentstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('card_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('settled_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('decline_reason', sa.Enum('insufficient_funds', 'card_expired', 'bank_refused', 'limit_exceeded', 'card_blocked', 'not_confirmed', 'not_finished', 'gateway_refused', name='declinereason', native_enum=False, create_constraint=True, length=24), nullable=True),
    sa.Column('gateway', sa.Enum('test_bank', 'yookassa', name='gatewayname', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('gateway_key', sa.String(length=64), nullable=False),
    sa.Column('gateway_ref', sa.String(length=64), nullable=True),
    sa.Column('return_url', sa.String(length=300), nullable=False),
    sa.Column('asked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name=op.f('ck_card_setup_decline_has_reason')),
    sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name=op.f('ck_card_setup_settled_has_moment')),
    sa.CheckConstraint("(state = 'succeeded') = (card_id IS NOT NULL)", name=op.f('ck_card_setup_succeeded_has_card')),
    sa.ForeignKeyConstraint(['card_id'], ['saved_card.id'], name=op.f('fk_card_setup_card_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_card_setup_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_card_setup')),
    sa.UniqueConstraint('customer_id', 'key', name=op.f('uq_card_setup_customer_id_key')),
    sa.UniqueConstraint('gateway_key', name=op.f('uq_card_setup_gateway_key')),
    sa.UniqueConstraint('gateway_ref', name=op.f('uq_card_setup_gateway_ref'))
    )
    op.create_table('utility_payment',
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('biller_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('template_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('fields', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['biller_id'], ['biller.id'], name=op.f('fk_utility_payment_biller_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_utility_payment_payment_id')),
    sa.ForeignKeyConstraint(['template_id'], ['utility_template.id'], name=op.f('fk_utility_payment_template_id')),
    sa.PrimaryKeyConstraint('payment_id', name=op.f('pk_utility_payment'))
    )
    with op.batch_alter_table('utility_payment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_utility_payment_biller_id'), ['biller_id'], unique=False)

    op.create_table('refund',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('state', sa.Enum('pending', 'succeeded', 'declined', name='paymentstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('requested_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('gateway_key', sa.String(length=64), nullable=False),
    sa.Column('gateway_ref', sa.String(length=64), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('settled_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('asked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('trouble', sa.String(length=200), nullable=False),
    sa.Column('points_owed', sa.Integer(), nullable=False),
    sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name=op.f('ck_refund_settled_has_moment')),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_refund_positive')),
    sa.CheckConstraint('length(reason) > 0', name=op.f('ck_refund_has_reason')),
    sa.CheckConstraint('points_owed >= 0', name=op.f('ck_refund_points_owed')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_refund_billing_account_id')),
    sa.ForeignKeyConstraint(['payment_id', 'billing_account_id'], ['payment_part.payment_id', 'payment_part.billing_account_id'], name='fk_refund_part'),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_refund_payment_id')),
    sa.ForeignKeyConstraint(['requested_by_id'], ['customer.id'], name=op.f('fk_refund_requested_by_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund')),
    sa.UniqueConstraint('gateway_key', name=op.f('uq_refund_gateway_key')),
    sa.UniqueConstraint('gateway_ref', name=op.f('uq_refund_gateway_ref')),
    sa.UniqueConstraint('payment_id', 'key', name=op.f('uq_refund_payment_id_key'))
    )
    with op.batch_alter_table('refund', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_refund_billing_account_id'), ['billing_account_id'], unique=False)


def downgrade() -> None:
    raise RuntimeError("a database goes forward only: restore the copy made before the upgrade")
