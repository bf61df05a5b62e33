"""first schema"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

from db.migrations.guards import forbid_changes

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("transfer", "bonus_entry", "order_event", "audit_entry")


def upgrade() -> None:
    op.create_table('monthly_figure',
    sa.Column('month_on', sa.Date(), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.Column('measure', sa.String(length=24), nullable=False),
    sa.Column('part', sa.String(length=40), nullable=False),
    sa.Column('value', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.PrimaryKeyConstraint('month_on', 'region_code', 'measure', 'part', name=op.f('pk_monthly_figure'))
    )
    op.create_table('option',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('service', sa.Enum('internet', 'mobile', 'tv', 'phone', name='servicekind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('option_group', sa.Enum('internet', 'calls', 'channels', 'security', 'entertainment', name='optiongroup', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('recurrence', sa.Enum('monthly', 'once', name='recurrence', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('name_ru', sa.String(length=60), nullable=False),
    sa.Column('name_en', sa.String(length=60), nullable=False),
    sa.Column('summary_ru', sa.String(length=200), nullable=False),
    sa.Column('summary_en', sa.String(length=200), nullable=False),
    sa.Column('provisioning_minutes', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_option')),
    sa.UniqueConstraint('code', name=op.f('uq_option_code'))
    )
    op.create_table('plan',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('service', sa.Enum('internet', 'mobile', 'tv', 'phone', name='servicekind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('name_ru', sa.String(length=60), nullable=False),
    sa.Column('name_en', sa.String(length=60), nullable=False),
    sa.Column('gigabytes', sa.Integer(), nullable=True),
    sa.Column('minutes', sa.Integer(), nullable=True),
    sa.Column('messages', sa.Integer(), nullable=True),
    sa.Column('megabits', sa.Integer(), nullable=True),
    sa.Column('channels', sa.Integer(), nullable=True),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_plan')),
    sa.UniqueConstraint('code', name=op.f('uq_plan_code'))
    )
    op.create_table('region',
    sa.Column('code', sa.String(length=6), nullable=False),
    sa.Column('name_ru', sa.String(length=80), nullable=False),
    sa.Column('name_en', sa.String(length=80), nullable=False),
    sa.Column('time_zone', sa.String(length=40), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_region'))
    )
    op.create_table('seed_run',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customers', sa.Integer(), nullable=False),
    sa.Column('months', sa.Integer(), nullable=False),
    sa.Column('seed', sa.Integer(), nullable=False),
    sa.Column('as_of_on', sa.Date(), nullable=False),
    sa.Column('finished_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_seed_run'))
    )
    op.create_table('throttle',
    sa.Column('key', sa.String(length=80), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('window_started_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('locked_until', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_throttle'))
    )
    op.create_table('customer',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('last_name', sa.String(length=60), nullable=False),
    sa.Column('first_name', sa.String(length=60), nullable=False),
    sa.Column('patronymic', sa.String(length=60), nullable=False),
    sa.Column('birth_on', sa.Date(), nullable=True),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('phone', sa.String(length=12), nullable=True),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.Column('language', sa.Enum('ru', 'en', name='language', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('role', sa.Enum('customer', 'analyst', 'administrator', name='role', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('registered_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint("phone LIKE '+7%' AND length(phone) = 12", name=op.f('ck_customer_phone_e164')),
    sa.CheckConstraint('email = lower(email)', name=op.f('ck_customer_email_lower')),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], name=op.f('fk_customer_region_code')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_customer')),
    sa.UniqueConstraint('email', name=op.f('uq_customer_email')),
    sa.UniqueConstraint('phone', name=op.f('uq_customer_phone'))
    )
    with op.batch_alter_table('customer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_customer_region_code'), ['region_code'], unique=False)
        batch_op.create_index(batch_op.f('ix_customer_registered_at'), ['registered_at'], unique=False)

    op.create_table('option_price',
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('valid_from_on', sa.Date(), nullable=False),
    sa.Column('price_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint('price_kopecks >= 0', name=op.f('ck_option_price_not_negative')),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_option_price_option_id')),
    sa.PrimaryKeyConstraint('option_id', 'valid_from_on', name=op.f('pk_option_price'))
    )
    op.create_table('option_region',
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_option_region_option_id')),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], name=op.f('fk_option_region_region_code')),
    sa.PrimaryKeyConstraint('option_id', 'region_code', name=op.f('pk_option_region'))
    )
    op.create_table('option_relation',
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('other_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Enum('excludes', 'needs', name='optionrelationkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.CheckConstraint('option_id <> other_id', name=op.f('ck_option_relation_not_itself')),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_option_relation_option_id')),
    sa.ForeignKeyConstraint(['other_id'], ['option.id'], name=op.f('fk_option_relation_other_id')),
    sa.PrimaryKeyConstraint('option_id', 'other_id', name=op.f('pk_option_relation'))
    )
    op.create_table('plan_price',
    sa.Column('plan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('valid_from_on', sa.Date(), nullable=False),
    sa.Column('monthly_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint('monthly_kopecks >= 0', name=op.f('ck_plan_price_not_negative')),
    sa.ForeignKeyConstraint(['plan_id'], ['plan.id'], name=op.f('fk_plan_price_plan_id')),
    sa.PrimaryKeyConstraint('plan_id', 'valid_from_on', name=op.f('pk_plan_price'))
    )
    op.create_table('billing_account',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.String(length=10), nullable=False),
    sa.Column('holder_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('service', sa.Enum('internet', 'mobile', 'tv', 'phone', name='servicekind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('mode', sa.Enum('prepaid', 'postpaid', name='billingmode', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('status', sa.Enum('active', 'blocked', 'suspended', 'closed', name='accountstatus', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('status_since_on', sa.Date(), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.Column('address', sa.String(length=200), nullable=False),
    sa.Column('service_phone', sa.String(length=12), nullable=True),
    sa.Column('contact_email', sa.String(length=254), nullable=True),
    sa.Column('contact_phone', sa.String(length=12), nullable=True),
    sa.Column('opened_on', sa.Date(), nullable=False),
    sa.Column('closed_on', sa.Date(), nullable=True),
    sa.CheckConstraint("(status = 'closed') = (closed_on IS NOT NULL)", name=op.f('ck_billing_account_closed_has_day')),
    sa.CheckConstraint('length(number) = 10', name=op.f('ck_billing_account_number_length')),
    sa.ForeignKeyConstraint(['holder_id'], ['customer.id'], name=op.f('fk_billing_account_holder_id')),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], name=op.f('fk_billing_account_region_code')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_billing_account')),
    sa.UniqueConstraint('number', name=op.f('uq_billing_account_number'))
    )
    with op.batch_alter_table('billing_account', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_billing_account_holder_id'), ['holder_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_billing_account_region_code'), ['region_code'], unique=False)

    op.create_table('bonus_lot',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('source', sa.Enum('payment', 'autopay', 'profile', 'e_bill', 'birthday', name='bonussource', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('granted', sa.Integer(), nullable=False),
    sa.Column('remaining', sa.Integer(), nullable=False),
    sa.Column('granted_on', sa.Date(), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=False),
    sa.CheckConstraint('granted > 0', name=op.f('ck_bonus_lot_positive')),
    sa.CheckConstraint('remaining BETWEEN 0 AND granted', name=op.f('ck_bonus_lot_remaining')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_bonus_lot_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bonus_lot'))
    )
    with op.batch_alter_table('bonus_lot', schema=None) as batch_op:
        batch_op.create_index('ix_bonus_lot_open', ['customer_id', 'expires_on'], unique=False, sqlite_where=sa.text('remaining > 0'), postgresql_where=sa.text('remaining > 0'))

    op.create_table('credential',
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('password_hash', sa.String(length=72), nullable=False),
    sa.Column('changed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_credential_customer_id')),
    sa.PrimaryKeyConstraint('customer_id', name=op.f('pk_credential'))
    )
    op.create_table('demo_persona',
    sa.Column('key', sa.String(length=24), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_demo_persona_customer_id')),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_demo_persona')),
    sa.UniqueConstraint('customer_id', name=op.f('uq_demo_persona_customer_id'))
    )
    op.create_table('login_session',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ticket_hash', sa.String(length=64), nullable=True),
    sa.Column('ticket_expires_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('token_hash', sa.String(length=64), nullable=True),
    sa.Column('opened_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('expires_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('revoked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('address', sa.String(length=45), nullable=False),
    sa.Column('browser', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_login_session_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_login_session')),
    sa.UniqueConstraint('ticket_hash', name=op.f('uq_login_session_ticket_hash')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_login_session_token_hash'))
    )
    with op.batch_alter_table('login_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_login_session_customer_id'), ['customer_id'], unique=False)

    op.create_table('message',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('channel', sa.Enum('email', 'sms', name='channel', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('recipient', sa.String(length=254), nullable=False),
    sa.Column('about', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('body', sa.String(length=8000), nullable=False),
    sa.Column('requested_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('read_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['requested_by_id'], ['customer.id'], name=op.f('fk_message_requested_by_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_message'))
    )
    with op.batch_alter_table('message', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_message_recipient'), ['recipient'], unique=False)
        batch_op.create_index(batch_op.f('ix_message_requested_by_id'), ['requested_by_id'], unique=False)

    op.create_table('portal_visit',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('screen', sa.String(length=24), nullable=False),
    sa.Column('at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_portal_visit_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_portal_visit'))
    )
    with op.batch_alter_table('portal_visit', schema=None) as batch_op:
        batch_op.create_index('ix_portal_visit_at', ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_portal_visit_customer_id'), ['customer_id'], unique=False)

    op.create_table('saved_card',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('token', sa.String(length=64), nullable=False),
    sa.Column('brand', sa.Enum('visa', 'visa_electron', 'mastercard', 'maestro', 'mir', name='cardbrand', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('last_four', sa.String(length=4), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=False),
    sa.Column('label', sa.String(length=40), nullable=False),
    sa.Column('is_default', sa.Boolean(), nullable=False),
    sa.Column('added_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('removed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint('length(last_four) = 4', name=op.f('ck_saved_card_last_four')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_saved_card_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_card')),
    sa.UniqueConstraint('token', name=op.f('uq_saved_card_token'))
    )
    with op.batch_alter_table('saved_card', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_saved_card_customer_id'), ['customer_id'], unique=False)

    op.create_table('attach_code',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('sent_to', sa.String(length=80), nullable=False),
    sa.Column('sent_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('expires_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('tries_left', sa.Integer(), nullable=False),
    sa.Column('used_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.CheckConstraint('tries_left >= 0', name=op.f('ck_attach_code_tries_left')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_attach_code_billing_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_attach_code_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attach_code'))
    )
    with op.batch_alter_table('attach_code', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_attach_code_customer_id'), ['customer_id'], unique=False)

    op.create_table('attachment',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('right', sa.Enum('view', 'pay', 'manage', name='right', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('label', sa.String(length=40), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('attached_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('detached_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_attachment_billing_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_attachment_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attachment'))
    )
    with op.batch_alter_table('attachment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_attachment_billing_account_id'), ['billing_account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_attachment_customer_id'), ['customer_id'], unique=False)
        batch_op.create_index('uq_attachment_live', ['customer_id', 'billing_account_id'], unique=True, sqlite_where=sa.text('detached_at IS NULL'), postgresql_where=sa.text('detached_at IS NULL'))

    op.create_table('audit_entry',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('action', sa.String(length=40), nullable=False),
    sa.Column('outcome', sa.Enum('done', 'refused', name='outcome', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.Column('address', sa.String(length=45), nullable=False),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_audit_entry_billing_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_audit_entry_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index('ix_audit_entry_at', ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_customer_id'), ['customer_id'], unique=False)

    op.create_table('autopay_rule',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('card_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('pay_when', sa.Enum('threshold', 'monthly', 'bill', name='autopaytrigger', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('threshold_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('day_of_month', sa.Integer(), nullable=True),
    sa.Column('amount_kind', sa.Enum('fixed', 'up_to', 'due', name='autopayamount', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('monthly_ceiling_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('state', sa.Enum('active', 'paused', 'deleted', name='autopaystate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('pause_reason', sa.String(length=40), nullable=False),
    sa.Column('consent_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('changed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.CheckConstraint("(amount_kind = 'due') = (amount_kopecks IS NULL)", name=op.f('ck_autopay_rule_sum_unless_due')),
    sa.CheckConstraint("(pay_when = 'monthly') = (day_of_month IS NOT NULL)", name=op.f('ck_autopay_rule_monthly_has_day')),
    sa.CheckConstraint("(pay_when = 'threshold') = (threshold_kopecks IS NOT NULL)", name=op.f('ck_autopay_rule_threshold_has_sum')),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_autopay_rule_positive')),
    sa.CheckConstraint('day_of_month BETWEEN 1 AND 31', name=op.f('ck_autopay_rule_day_of_month')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_autopay_rule_billing_account_id')),
    sa.ForeignKeyConstraint(['card_id'], ['saved_card.id'], name=op.f('fk_autopay_rule_card_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_autopay_rule_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_autopay_rule'))
    )
    with op.batch_alter_table('autopay_rule', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_autopay_rule_customer_id'), ['customer_id'], unique=False)
        batch_op.create_index('uq_autopay_rule_calendar', ['billing_account_id'], unique=True, sqlite_where=sa.text("state <> 'deleted' AND pay_when <> 'threshold'"), postgresql_where=sa.text("state <> 'deleted' AND pay_when <> 'threshold'"))
        batch_op.create_index('uq_autopay_rule_threshold', ['billing_account_id'], unique=True, sqlite_where=sa.text("state <> 'deleted' AND pay_when = 'threshold'"), postgresql_where=sa.text("state <> 'deleted' AND pay_when = 'threshold'"))

    op.create_table('bill',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.String(length=20), nullable=False),
    sa.Column('month_on', sa.Date(), nullable=False),
    sa.Column('issued_on', sa.Date(), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=False),
    sa.Column('total_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint('total_kopecks >= 0', name=op.f('ck_bill_not_negative')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_bill_billing_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill')),
    sa.UniqueConstraint('billing_account_id', 'month_on', name=op.f('uq_bill_billing_account_id_month_on')),
    sa.UniqueConstraint('number', name=op.f('uq_bill_number'))
    )
    op.create_table('ledger_account',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Enum('customer', 'gateway', 'cash', 'revenue', 'bonus', name='ledgerkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('balance_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint("(kind = 'customer') = (billing_account_id IS NOT NULL)", name=op.f('ck_ledger_account_customer_has_account')),
    sa.CheckConstraint("kind = 'customer' OR balance_kopecks = 0", name=op.f('ck_ledger_account_cache_for_customers_only')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_ledger_account_billing_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_account')),
    sa.UniqueConstraint('billing_account_id', name=op.f('uq_ledger_account_billing_account_id'))
    )
    with op.batch_alter_table('ledger_account', schema=None) as batch_op:
        batch_op.create_index('uq_ledger_account_own', ['kind'], unique=True, sqlite_where=sa.text('billing_account_id IS NULL'), postgresql_where=sa.text('billing_account_id IS NULL'))

    op.create_table('payment',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('payer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('method', sa.Enum('card', 'saved_card', 'autopay', 'cash', name='paymentmethod', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('state', sa.Enum('pending', 'succeeded', 'declined', name='paymentstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('card_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('settled_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('decline_reason', sa.Enum('insufficient_funds', 'card_expired', 'bank_refused', 'limit_exceeded', name='declinereason', native_enum=False, create_constraint=True, length=24), nullable=True),
    sa.CheckConstraint("(method = 'cash') = (payer_id IS NULL)", name=op.f('ck_payment_cash_has_no_payer')),
    sa.CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name=op.f('ck_payment_decline_has_reason')),
    sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name=op.f('ck_payment_settled_has_moment')),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_payment_positive')),
    sa.ForeignKeyConstraint(['card_id'], ['saved_card.id'], name=op.f('fk_payment_card_id')),
    sa.ForeignKeyConstraint(['payer_id'], ['customer.id'], name=op.f('fk_payment_payer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment')),
    sa.UniqueConstraint('payer_id', 'key', name=op.f('uq_payment_payer_id_key'))
    )
    with op.batch_alter_table('payment', schema=None) as batch_op:
        batch_op.create_index('ix_payment_payer_id_created_at', ['payer_id', 'created_at'], unique=False)

    op.create_table('product_order',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('placed_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('kind', sa.Enum('connect', 'disconnect', name='orderkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('state', sa.Enum('accepted', 'in_progress', 'done', 'refused', 'cancelled', name='orderstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('now_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('monthly_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('effective_on', sa.Date(), nullable=False),
    sa.Column('placed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('closed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.CheckConstraint("(state IN ('accepted', 'in_progress')) = (closed_at IS NULL)", name=op.f('ck_product_order_closed_has_moment')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_product_order_billing_account_id')),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_product_order_option_id')),
    sa.ForeignKeyConstraint(['placed_by_id'], ['customer.id'], name=op.f('fk_product_order_placed_by_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_product_order')),
    sa.UniqueConstraint('billing_account_id', 'key', name=op.f('uq_product_order_billing_account_id_key'))
    )
    with op.batch_alter_table('product_order', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_product_order_billing_account_id'), ['billing_account_id'], unique=False)
        batch_op.create_index('ix_product_order_due', ['due_at'], unique=False, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
        batch_op.create_index('uq_product_order_open', ['billing_account_id', 'option_id'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))

    op.create_table('subscription',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('plan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('started_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('ended_on', sa.Date(), nullable=True),
    sa.CheckConstraint('(plan_id IS NULL) <> (option_id IS NULL)', name=op.f('ck_subscription_plan_or_option')),
    sa.CheckConstraint('ended_on IS NULL OR ended_on >= started_on', name=op.f('ck_subscription_ends_after_start')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_subscription_billing_account_id')),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_subscription_option_id')),
    sa.ForeignKeyConstraint(['plan_id'], ['plan.id'], name=op.f('fk_subscription_plan_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription'))
    )
    with op.batch_alter_table('subscription', schema=None) as batch_op:
        batch_op.create_index('ix_subscription_billing_account_id', ['billing_account_id'], unique=False)
        batch_op.create_index('uq_subscription_live_option', ['billing_account_id', 'option_id'], unique=True, sqlite_where=sa.text('ended_on IS NULL'), postgresql_where=sa.text('ended_on IS NULL'))
        batch_op.create_index('uq_subscription_live_plan', ['billing_account_id'], unique=True, sqlite_where=sa.text('ended_on IS NULL AND plan_id IS NOT NULL'), postgresql_where=sa.text('ended_on IS NULL AND plan_id IS NOT NULL'))

    op.create_table('autopay_run',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('rule_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('period', sa.String(length=10), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=False),
    sa.Column('ran_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('result', sa.Enum('succeeded', 'declined', 'skipped', name='autopayresult', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('decline_reason', sa.Enum('insufficient_funds', 'card_expired', 'bank_refused', 'limit_exceeded', name='declinereason', native_enum=False, create_constraint=True, length=24), nullable=True),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_autopay_run_billing_account_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_autopay_run_payment_id')),
    sa.ForeignKeyConstraint(['rule_id'], ['autopay_rule.id'], name=op.f('fk_autopay_run_rule_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_autopay_run')),
    sa.UniqueConstraint('rule_id', 'period', 'attempt', name=op.f('uq_autopay_run_rule_id_period_attempt'))
    )
    with op.batch_alter_table('autopay_run', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_autopay_run_billing_account_id'), ['billing_account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_autopay_run_rule_id'), ['rule_id'], unique=False)

    op.create_table('bonus_entry',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('lot_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Enum('earned', 'spent', 'expired', 'reversed', name='bonuskind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('occurred_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.CheckConstraint("(kind = 'earned') = (points > 0)", name=op.f('ck_bonus_entry_only_earned_adds')),
    sa.CheckConstraint('points <> 0', name=op.f('ck_bonus_entry_not_zero')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_bonus_entry_billing_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_bonus_entry_customer_id')),
    sa.ForeignKeyConstraint(['lot_id'], ['bonus_lot.id'], name=op.f('fk_bonus_entry_lot_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_bonus_entry_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bonus_entry')),
    sa.UniqueConstraint('customer_id', 'key', name=op.f('uq_bonus_entry_customer_id_key'))
    )
    with op.batch_alter_table('bonus_entry', schema=None) as batch_op:
        batch_op.create_index('ix_bonus_entry_customer_id_occurred_at', ['customer_id', 'occurred_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_bonus_entry_lot_id'), ['lot_id'], unique=False)

    op.create_table('order_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('order_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Enum('accepted', 'in_progress', 'done', 'refused', 'cancelled', name='orderstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.ForeignKeyConstraint(['by_id'], ['customer.id'], name=op.f('fk_order_event_by_id')),
    sa.ForeignKeyConstraint(['order_id'], ['product_order.id'], name=op.f('fk_order_event_order_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_event'))
    )
    with op.batch_alter_table('order_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_order_event_order_id'), ['order_id'], unique=False)

    op.create_table('payment_part',
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_payment_part_positive')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_payment_part_billing_account_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_payment_part_payment_id')),
    sa.PrimaryKeyConstraint('payment_id', 'billing_account_id', name=op.f('pk_payment_part'))
    )
    with op.batch_alter_table('payment_part', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_payment_part_billing_account_id'), ['billing_account_id'], unique=False)

    op.create_table('transfer',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('debit_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('credit_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.Enum('top_up', 'plan_fee', 'option_fee', 'one_off', 'late_fee', 'bonus_spent', 'refund', name='transfercode', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('occurred_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('payment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('plan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_transfer_positive')),
    sa.CheckConstraint('debit_id <> credit_id', name=op.f('ck_transfer_two_accounts')),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_transfer_billing_account_id')),
    sa.ForeignKeyConstraint(['credit_id'], ['ledger_account.id'], name=op.f('fk_transfer_credit_id')),
    sa.ForeignKeyConstraint(['debit_id'], ['ledger_account.id'], name=op.f('fk_transfer_debit_id')),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_transfer_option_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_transfer_payment_id')),
    sa.ForeignKeyConstraint(['plan_id'], ['plan.id'], name=op.f('fk_transfer_plan_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_transfer')),
    sa.UniqueConstraint('billing_account_id', 'key', name=op.f('uq_transfer_billing_account_id_key'))
    )
    with op.batch_alter_table('transfer', schema=None) as batch_op:
        batch_op.create_index('ix_transfer_billing_account_id_occurred_at', ['billing_account_id', 'occurred_at'], unique=False)
        batch_op.create_index('ix_transfer_occurred_at', ['occurred_at'], unique=False)

    op.create_table('bill_line',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('bill_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('transfer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.Enum('top_up', 'plan_fee', 'option_fee', 'one_off', 'late_fee', 'bonus_spent', 'refund', name='transfercode', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('plan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('option_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('from_on', sa.Date(), nullable=False),
    sa.Column('to_on', sa.Date(), nullable=False),
    sa.Column('amount_kopecks', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint('amount_kopecks > 0', name=op.f('ck_bill_line_positive')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_bill_line_bill_id')),
    sa.ForeignKeyConstraint(['option_id'], ['option.id'], name=op.f('fk_bill_line_option_id')),
    sa.ForeignKeyConstraint(['plan_id'], ['plan.id'], name=op.f('fk_bill_line_plan_id')),
    sa.ForeignKeyConstraint(['transfer_id'], ['transfer.id'], name=op.f('fk_bill_line_transfer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_line')),
    sa.UniqueConstraint('transfer_id', name=op.f('uq_bill_line_transfer_id'))
    )
    with op.batch_alter_table('bill_line', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_bill_line_bill_id'), ['bill_id'], unique=False)


    for table in APPEND_ONLY:
        forbid_changes(table)


def downgrade() -> None:
    raise RuntimeError("the first schema has nothing before it")
