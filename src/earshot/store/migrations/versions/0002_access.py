"""Roles, QA groups and what they allow.

Frozen once released: the tables as they were then, whatever `earshot.store.access_tables` says since. The one rule:
nothing of Earshot is imported here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BUILT_IN = ("DefaultAgent", "What every agent may do.", ("HOMEPAGEWIDGETS", "PASSWORDCHANGES"))
LINKS = (
    ("role_permissions", "permission", "PERMISSIONNAME of what it allows"),
    ("role_acd_groups", "sgroup", "GROUP, the ACD group whose recordings it shows"),
    ("role_gates", "gate", "GATE, the ACD queue whose recordings it shows"),
)


def upgrade() -> None:
    """Make the tables, and the role that is built in."""
    _create_groups()
    roles = op.create_table(
        "roles",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="ROLEID, from 1; used once only"),
        sa.Column("name", sa.Text, nullable=False, comment="ROLENAME"),
        sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="ROLENAME with letter case folded"),
        sa.Column("description", sa.Text, nullable=False, comment="DESCRIPTION, what the role is for"),
        sa.Column("built_in", sa.Boolean, nullable=False, comment="cannot be deleted"),
        sqlite_autoincrement=True,
    )
    made = {name: op.create_table(name, _of_role(), _text(column, comment)) for name, column, comment in LINKS}
    op.create_table("role_groups", _of_role(), _group("QA group whose phones it shows"))
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.ident"), primary_key=True, comment="who has the role"),
        sa.Column("role_id", sa.Integer, sa.ForeignKey("roles.ident"), primary_key=True, comment="which role"),
    )
    op.create_index("ix_user_roles_role_id", "user_roles", ["role_id"])
    name, description, permissions = BUILT_IN
    row = {"name": name, "name_key": name.casefold(), "description": description, "built_in": True}
    op.bulk_insert(roles, [row])
    for one in permissions:
        allowed = sa.select(roles.c.ident, sa.literal(one))
        op.execute(made["role_permissions"].insert().from_select(["role_id", "permission"], allowed))


def _create_groups() -> None:
    op.create_table(
        "qa_groups",
        sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="GROUPID, from 1; used once only"),
        sa.Column("name", sa.Text, nullable=False, comment="GROUPNAME"),
        sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="GROUPNAME with letter case folded"),
        sa.Column("active", sa.Boolean, nullable=False, comment="whether the group counts"),
        sqlite_autoincrement=True,
    )
    phone = sa.ForeignKey("phones.phone", deferrable=True, initially="DEFERRED")
    op.create_table(
        "group_phones",
        _group("which QA group"),
        sa.Column("phone", sa.Text, phone, primary_key=True, comment="phone ID in it"),
    )
    op.create_index("ix_group_phones_phone", "group_phones", ["phone"])


def _of_role() -> sa.Column[int]:
    return sa.Column("role_id", sa.Integer, sa.ForeignKey("roles.ident"), primary_key=True, comment="which role")


def _text(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True, comment=comment)


def _group(comment: str) -> sa.Column[int]:
    return sa.Column("group_id", sa.Integer, sa.ForeignKey("qa_groups.ident"), primary_key=True, comment=comment)


def downgrade() -> None:
    """Remove them."""
    for name in ("user_roles", "role_groups", *(name for name, _, _ in LINKS), "roles", "group_phones", "qa_groups"):
        op.drop_table(name)
