"""Everything held about the person, as an archive: ordering it, watching it being made, fetching it."""

import streamlit as st

from actions.my_data import order_export
from db import reading
from queries.my_data import Export, newest_export
from rules.terms import ExportState
from rules.visitor import Visitor
from texts import moment, number, t
from ui.widgets.feedback import act, refused_here
from ui.widgets.session import signed_in

EVERY = "2s"


def _order() -> None:
    act(order_export, place="my_data")


def panel(visitor: Visitor) -> None:
    """What there is now, and what can be done."""
    with reading() as db:
        export = newest_export(db, visitor=visitor)
    with st.container(border=True, key="my_data"):
        st.subheader(t("my_data.title"), anchor=False)
        st.markdown(t("my_data.what"))
        refused_here("my_data")
        if export is not None and export.is_open:
            _watch()
            return
        if export is not None and export.is_there:
            _fetch(export, visitor)
        elif export is not None and export.state is ExportState.FAILED:
            st.error(t("my_data.failed"), icon=":material/error:")
        again = export is not None and export.is_there
        st.button(
            t("my_data.again" if again else "my_data.order"),
            key="order_export",
            type="tertiary" if again else "secondary",
            icon=":material/refresh:" if again else ":material/folder_zip:",
            on_click=_order,
        )


@st.fragment(run_every=EVERY)
def _watch() -> None:
    with reading() as db:
        export = newest_export(db, visitor=signed_in())
    if export is None or not export.is_open:
        st.rerun()
    st.progress(export.percent, text=t("my_data.making"))
    st.caption(t("my_data.may_leave"))


def _fetch(export: Export, visitor: Visitor) -> None:
    if export.size_bytes is None or export.expires_at is None:
        return
    made, until = moment(export.requested_at, visitor.time_zone), moment(export.expires_at, visitor.time_zone)
    st.caption(t("my_data.ready", made=made, until=until, size=number(max(1, round(export.size_bytes / 1024)))))
    st.link_button(
        t("my_data.download"),
        f"/documents/my-data/{export.export_id}",
        type="primary",
        icon=":material/download:",
        key="download_export",
    )
