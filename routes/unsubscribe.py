"""The link of a letter that stops such letters. Looking at it changes nothing; its one button, or the mail program's one click
(RFC 8058: a POST without cookies), does. The signature of the link is all the proof there is, and all that is needed.
"""

from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from actions import perform
from actions.unsubscribing import Unsubscribing, link_of, unsubscribe
from routes.hardening import language_of
from rules.refusals import Refusal, Unavailable
from rules.terms import Language
from settings import operator
from texts import language, speaking, t

_STYLE = """
:root{color-scheme:light dark;--ground:#f6f5fb;--sheet:#fff;--ink:#17142b;--soft:#635f78;--act:COLOUR;--on-act:#fff}
@media (prefers-color-scheme:dark){:root{--ground:#100e1a;--sheet:#1b1828;--ink:#f1eff9;--soft:#aaa5bd}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;padding:1.5rem 1rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}
main{max-width:32rem;margin:0 auto;padding:1.75rem;border-radius:14px;background:var(--sheet)}
header{max-width:32rem;margin:8vh auto 1rem;padding:0 1.75rem;font-weight:700}
h1{margin:0 0 .75rem;font-size:1.3rem;line-height:1.3}
p{margin:0 0 1rem}
.soft{color:var(--soft);font-size:.9rem}
button,.button{display:inline-block;min-height:3rem;padding:.7rem 1.4rem;border:0;border-radius:10px;background:var(--act);
color:var(--on-act);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
button:focus-visible,a:focus-visible{outline:3px solid var(--act);outline-offset:2px}
form{margin:0 0 1.25rem}
a{color:inherit}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def _page(title: str, content: str, *, status: int = 200) -> Response:
    """A whole page. `content` is HTML already. Nothing is loaded, no script runs, the form goes here only."""
    we = operator()
    body = (
        f'<!doctype html><html lang="{language().value}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE.replace('COLOUR', we.colour)}</style></head><body>"
        f"<header>{escape(we.name(language().value))}</header><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(body, status, headers=headers)


def _what(link: Unsubscribing) -> str:
    """What the link switches off, in words within a sentence."""
    return t("unsubscribe.all") if link.event is None else f"«{t(f'noticeevent.{link.event.value}')}»"


def _wrong() -> Response:
    text = f"<p>{escape(t('unsubscribe.wrong'))}</p>{_to_cabinet()}"
    return _page(t("unsubscribe.wrong_title"), text, status=404)


def _to_cabinet() -> str:
    return f'<p><a href="/notices?show=choices">{escape(t("unsubscribe.to_cabinet"))}</a></p>'


async def ask(request: Request) -> Response:
    """GET: what the link would switch off, and a button. 404 for a link that is not ours."""
    link = link_of(request.path_params["token"])
    with speaking(Language(language_of(request.headers))):
        if link is None:
            return _wrong()
        return _page(
            t("unsubscribe.title"),
            f"<p>{escape(t('unsubscribe.ask', what=_what(link)))}</p>"
            f'<form method="post"><button>{escape(t("unsubscribe.go"))}</button></form>'
            f'<p class="soft">{escape(t("unsubscribe.stays"))}</p>',
        )


async def do(request: Request) -> Response:
    """POST: no more of these letters. 404 for a link that is not ours, 503 when the database is busy: it may be tried again."""
    token = request.path_params["token"]
    with speaking(Language(language_of(request.headers))):
        if link_of(token) is None:
            return _wrong()  # nothing is asked of the database, and no row is left, for what is not ours
        try:
            link = await run_in_threadpool(lambda: perform(unsubscribe, visitor=None, token=token))
        except Unavailable:
            return _page(t("unsubscribe.title"), f"<p>{escape(t('unsubscribe.busy'))}</p>", status=503)
        except Refusal:
            return _wrong()
        return _page(t("unsubscribe.done_title"), f"<p>{escape(t('unsubscribe.done', what=_what(link)))}</p>{_to_cabinet()}")


UNSUBSCRIBE_ROUTES = [
    Route("/unsubscribe/{token}", ask, methods=["GET"]),
    Route("/unsubscribe/{token}", do, methods=["POST"]),
]
