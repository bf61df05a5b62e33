"""background: autopay that runs, what was done and when, notices and what people want of them, the demo's clock"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

from db.migrations.guards import widen

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('demo_clock',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('ahead_seconds', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('lived_until_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('ck_demo_clock_one')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_demo_clock'))
    )
    op.create_table('job_run',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('job', sa.String(length=40), nullable=False),
    sa.Column('key', sa.String(length=80), nullable=False),
    sa.Column('worker', sa.String(length=80), nullable=False),
    sa.Column('started_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('finished_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('items', sa.Integer(), nullable=False),
    sa.Column('trouble', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_run')),
    sa.UniqueConstraint('job', 'key', name=op.f('uq_job_run_job_key'))
    )
    with op.batch_alter_table('job_run', schema=None) as batch_op:
        batch_op.create_index('ix_job_run_job_started_at', ['job', 'started_at'], unique=False)
        batch_op.create_index('ix_job_run_trouble', ['started_at'], unique=False, sqlite_where=sa.text("trouble <> ''"), postgresql_where=sa.text("trouble <> ''"))

    op.create_table('clock_move',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Enum('running', 'done', 'failed', name='movestate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('from_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('to_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('lived_until_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('report', sa.JSON(), nullable=False),
    sa.CheckConstraint('to_at > from_at', name=op.f('ck_clock_move_forward')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_clock_move_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_clock_move'))
    )
    with op.batch_alter_table('clock_move', schema=None) as batch_op:
        batch_op.create_index('uq_clock_move_running', ['state'], unique=True, sqlite_where=sa.text("state = 'running'"), postgresql_where=sa.text("state = 'running'"))

    op.create_table('notice_choice',
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('event', sa.Enum('low_balance', 'days_left', 'autopay_ahead', 'autopay_done', 'autopay_failed', 'card_expires', 'order_done', 'sign_in', 'promised_ends', 'blocked', 'resumed', 'bill', 'monthly', name='noticeevent', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('in_cabinet', sa.Boolean(), nullable=False),
    sa.Column('by_email', sa.Boolean(), nullable=False),
    sa.Column('changed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_notice_choice_customer_id')),
    sa.PrimaryKeyConstraint('customer_id', 'event', name=op.f('pk_notice_choice'))
    )
    op.create_table('notice',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('customer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('event', sa.Enum('low_balance', 'days_left', 'autopay_ahead', 'autopay_done', 'autopay_failed', 'card_expires', 'order_done', 'sign_in', 'promised_ends', 'blocked', 'resumed', 'bill', 'monthly', name='noticeevent', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('billing_account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('key', sa.String(length=80), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('in_cabinet', sa.Boolean(), nullable=False),
    sa.Column('by_email', sa.Boolean(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('read_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('mailed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['billing_account_id'], ['billing_account.id'], name=op.f('fk_notice_billing_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_notice_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice')),
    sa.UniqueConstraint('customer_id', 'key', name=op.f('uq_notice_customer_id_key'))
    )
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.create_index('ix_notice_customer_id_created_at', ['customer_id', 'created_at'], unique=False)
        batch_op.create_index('ix_notice_to_mail', ['created_at'], unique=False, sqlite_where=sa.text('by_email AND mailed_at IS NULL'), postgresql_where=sa.text('by_email AND mailed_at IS NULL'))

    # Plain additions: nothing is copied on either database.
    widen('autopay_run', 'result', 'autopayresult', ['succeeded', 'declined', 'skipped'], ['pending'])
    op.add_column('attachment', sa.Column('bill_by_email', sa.Boolean(), nullable=False, server_default=sa.false()))
    for column in (
        sa.Column('due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column('due_period', sa.String(length=10), nullable=False, server_default=''),
        sa.Column('first_failed_on', sa.Date(), nullable=True),
    ):
        op.add_column('autopay_rule', column)
    counts = 'CONSTRAINT ck_autopay_rule_attempts_from_one CHECK (due_attempt >= 1)'
    op.execute(f'ALTER TABLE autopay_rule ADD COLUMN due_attempt INTEGER DEFAULT 1 NOT NULL {counts}')
    due = sa.text("state = 'active' AND due_at IS NOT NULL")
    op.create_index('ix_autopay_rule_due', 'autopay_rule', ['due_at', 'id'], sqlite_where=due, postgresql_where=due)
    unplanned = sa.text("state = 'active' AND due_at IS NULL")
    op.create_index('ix_autopay_rule_unplanned', 'autopay_rule', ['pay_when'], sqlite_where=unplanned, postgresql_where=unplanned)
    op.add_column('autopay_run', sa.Column('batch', sa.String(length=40), nullable=False, server_default=''))
    pending = sa.text("result = 'pending'")
    op.create_index('ix_autopay_run_pending', 'autopay_run', ['batch'], sqlite_where=pending, postgresql_where=pending)
    op.create_index('uq_autopay_run_payment_id', 'autopay_run', ['payment_id'], unique=True)
    op.add_column('message', sa.Column('dead_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    dead = sa.text('dead_at IS NOT NULL')
    op.create_index('ix_message_dead_at', 'message', ['dead_at'], sqlite_where=dead, postgresql_where=dead)
    op.create_index('ix_message_created_at_state', 'message', ['created_at', 'state'])
    troubled = sa.text("trouble <> ''")
    op.create_index('ix_payment_trouble', 'payment', ['created_at'], sqlite_where=troubled, postgresql_where=troubled)
    op.add_column('billing_account', sa.Column('billed_on', sa.Date(), nullable=True))
    op.create_index('ix_billing_account_billed_on', 'billing_account', ['billed_on'])
    blocked = sa.text("status = 'blocked'")
    op.create_index('ix_billing_account_blocked', 'billing_account', ['id'], sqlite_where=blocked, postgresql_where=blocked)
    # Whoever was there has been through the latest billing day that left bills; what came after is caught up with.
    op.execute('UPDATE billing_account SET billed_on = (SELECT max(issued_on) FROM bill)')
