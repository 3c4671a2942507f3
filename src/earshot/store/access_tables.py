"""The tables of roles, QA groups and what they allow, in portable types.

Same rules as `tables`: no statements here, and a change of a table is a new migration.
"""

import sqlalchemy as sa

from earshot.store.tables import METADATA

QA_GROUPS = sa.Table(
    "qa_groups",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="GROUPID, from 1; used once only"),
    sa.Column("name", sa.Text, nullable=False, comment="GROUPNAME"),
    sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="GROUPNAME with letter case folded"),
    sa.Column("active", sa.Boolean, nullable=False, comment="whether the group counts"),
    sqlite_autoincrement=True,
)

GROUP_PHONES = sa.Table(
    "group_phones",
    METADATA,
    sa.Column("group_id", sa.ForeignKey("qa_groups.ident"), primary_key=True, comment="which QA group"),
    sa.Column(
        "phone",
        sa.ForeignKey("phones.phone", deferrable=True, initially="DEFERRED"),
        primary_key=True,
        index=True,
        comment="phone ID in it",
    ),
)

ROLES = sa.Table(
    "roles",
    METADATA,
    sa.Column("ident", sa.Integer, primary_key=True, autoincrement=True, comment="ROLEID, from 1; used once only"),
    sa.Column("name", sa.Text, nullable=False, comment="ROLENAME"),
    sa.Column("name_key", sa.Text, nullable=False, unique=True, comment="ROLENAME with letter case folded"),
    sa.Column("description", sa.Text, nullable=False, comment="DESCRIPTION, what the role is for"),
    sa.Column("built_in", sa.Boolean, nullable=False, comment="cannot be deleted"),
    sqlite_autoincrement=True,
)


def _of_role() -> sa.Column[int]:
    return sa.Column("role_id", sa.ForeignKey("roles.ident"), primary_key=True, comment="which role")


ROLE_PERMISSIONS = sa.Table(
    "role_permissions",
    METADATA,
    _of_role(),
    sa.Column("permission", sa.Text, primary_key=True, comment="PERMISSIONNAME of what it allows"),
)

ROLE_GROUPS = sa.Table(
    "role_groups",
    METADATA,
    _of_role(),
    sa.Column("group_id", sa.ForeignKey("qa_groups.ident"), primary_key=True, comment="QA group whose phones it shows"),
)

ROLE_ACD_GROUPS = sa.Table(
    "role_acd_groups",
    METADATA,
    _of_role(),
    sa.Column("sgroup", sa.Text, primary_key=True, comment="GROUP, the ACD group whose recordings it shows"),
)

ROLE_GATES = sa.Table(
    "role_gates",
    METADATA,
    _of_role(),
    sa.Column("gate", sa.Text, primary_key=True, comment="GATE, the ACD queue whose recordings it shows"),
)

USER_ROLES = sa.Table(
    "user_roles",
    METADATA,
    sa.Column("user_id", sa.ForeignKey("users.ident"), primary_key=True, comment="who has the role"),
    sa.Column("role_id", sa.ForeignKey("roles.ident"), primary_key=True, index=True, comment="which role"),
)
