"""The test bank's page, where a payer types a card: plain HTML outside the portal, as a real gateway's page is.

A number and a CVC live in local variables of one POST: they are looked at and dropped, and no answer repeats them. No session is
needed: whoever has the address is the payer.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import date
from html import escape
from urllib.parse import parse_qsl, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

import clock
from integrations.gateway import NoAnswer
from integrations.test_bank import CARDS, CODE, SILENT, THINKS, Page, Step, TestBank, TestCard, address, card_of
from routes.hardening import language_of, same_origin
from rules.terms import GatewayName, Language
from settings import operator, settings
from texts import language, money, speaking, t, tn

_LARGEST_BODY, _MOST_FIELDS = 2000, 10
_EXPIRY = re.compile(r"\s*(0?[1-9]|1[0-2])\s*[/.\-]?\s*(?:20)?([0-9]{2})\s*")
_YEARS_AHEAD = 20
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")

_STYLE = """
:root{color-scheme:light dark;--ground:#eef2f3;--sheet:#fff;--ink:#14242b;--soft:#53666f;--line:#a3b1b7;--faint:#dce4e7;
--act:#0b6472;--act-over:#084e59;--on-act:#fff;--bad:#b3261e;--bad-ground:#fdf1f0;--note:#fff6da;--note-ink:#5a4300}
@media (prefers-color-scheme:dark){:root{--ground:#10181c;--sheet:#19242a;--ink:#e9f0f2;--soft:#a2b3ba;--line:#5a6b73;
--faint:#2b3940;--act:#67c8d6;--act-over:#8ad8e3;--on-act:#062a30;--bad:#ff9d94;--bad-ground:#3a201e;--note:#3a3113;--note-ink:#f3dfa0}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Liberation Sans",Arial,sans-serif}
header{display:flex;align-items:center;gap:.6rem;max-width:58rem;margin:0 auto;padding:1.25rem 1.5rem;font-weight:600}
header svg{width:1.75rem;height:1.75rem;fill:var(--act)}
.note{background:var(--note);color:var(--note-ink)}
.note p{max-width:58rem;margin:0 auto;padding:.6rem 1.5rem;font-size:.9rem}
main{display:grid;grid-template-columns:minmax(0,1fr) 26rem;grid-template-rows:auto 1fr;gap:1.5rem 3rem;max-width:58rem;
margin:0 auto;padding:1.75rem 1.5rem 4rem;align-items:start}
main.one{display:block;max-width:33rem;padding-top:3rem}
h1{margin:0;font-size:1.3rem;line-height:1.3;font-weight:600}
h2{margin:0;color:var(--soft);font-size:1rem;font-weight:500}
.sum{margin:.1rem 0 1rem;font-size:2.25rem;line-height:1.2;font-weight:650;letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
dl{display:grid;grid-template-columns:auto minmax(0,1fr);gap:.35rem 1.25rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.sheet{grid-column:2;grid-row:1/3;background:var(--sheet);border-radius:14px;padding:1.75rem 1.75rem 1.25rem;
box-shadow:0 1px 2px rgba(10,30,40,.08),0 8px 24px rgba(10,30,40,.06)}
.sheet h1{margin-bottom:1.25rem}
.sheet p{margin:-.5rem 0 1.25rem}
label{display:block;margin-bottom:.3rem;font-size:.9rem;color:var(--soft)}
input{display:block;width:100%;min-height:3rem;padding:.5rem .8rem;border:1px solid var(--line);border-radius:9px;
background:var(--sheet);color:var(--ink);font:inherit;font-size:1.1rem;font-variant-numeric:tabular-nums}
input.secret{-webkit-text-security:disc}
input::placeholder{color:var(--soft);opacity:.75}
input[aria-invalid]{border-color:var(--bad);background:var(--bad-ground)}
.field{margin-bottom:1.1rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 1rem}
.sheet .error{margin:.35rem 0 0;color:var(--bad);font-size:.9rem}
button,.button{display:block;width:100%;min-height:3rem;padding:.65rem 1rem;border:0;border-radius:9px;background:var(--act);
color:var(--on-act);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
button:hover,.button:hover{background:var(--act-over)}
.leave{background:none;color:var(--act);font-weight:500;margin-top:.5rem}
.leave:hover{background:var(--faint)}
a:focus-visible,button:focus-visible,summary:focus-visible,input:focus-visible{outline:3px solid var(--act);outline-offset:2px}
.soft{color:var(--soft);font-size:.9rem}
.button{margin-bottom:.5rem}
details{grid-column:1}
summary{cursor:pointer;color:var(--act);font-weight:500;padding:.25rem 0}
details p{margin:.35rem 0 .75rem;color:var(--soft);font-size:.9rem}
table{width:100%;border-collapse:collapse;font-size:.9rem}
td{padding:.45rem 0;border-top:1px solid var(--faint);vertical-align:top}
td:first-child{width:12.5rem;padding-right:1rem;white-space:nowrap}
code{font:inherit;font-variant-numeric:tabular-nums;font-weight:500;user-select:all;-webkit-user-select:all}
small{display:block;color:var(--soft);font-size:.8rem}
@media (max-width:56rem){main{display:block;max-width:33rem;padding:1.25rem 1rem 3rem}header,
.note p{max-width:33rem;padding-left:1rem;padding-right:1rem}.sheet{margin:1.5rem 0;padding:1.25rem}
main.one{padding-top:1.5rem}.sum{font-size:2rem}}
@media (max-width:24rem){td:first-child{width:11.25rem;padding-right:.75rem}}
"""
_MARK = '<path d="M12 2 2 8v2h20V8L12 2ZM4 12v6h3v-6H4Zm6.5 0v6h3v-6h-3ZM17 12v6h3v-6h-3ZM2 20v2h20v-2H2Z"/>'
_ICON = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='%230b6472'>{_MARK}</svg>".replace('"', "'")


# --- reading a request ------------------------------------------------------------------------------------
async def _sent(request: Request) -> dict[str, str]:
    """The fields of a form; none when it is larger than ours can be."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_BODY:
            return {}
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def _number(typed: str) -> tuple[TestCard | None, str]:
    """The card of a typed number, or the key of what is wrong with it."""
    digits = re.sub(r"[\s\-]", "", typed)
    if not digits:
        return None, "number_empty"
    card = card_of(digits)
    return card, "" if card else "number"


def _expiry(typed: str) -> tuple[date | None, str]:
    """The last day of a typed month and year, or the key of what is wrong with it."""
    found = _EXPIRY.fullmatch(typed)
    today = clock.today()
    if found is None:
        return None, "expiry"
    month, year = int(found[1]), 2000 + int(found[2])
    last = date(year, month, calendar.monthrange(year, month)[1])
    if last < today:
        return None, "expired"
    return (last, "") if year <= today.year + _YEARS_AHEAD else (None, "expiry")


def _shown_again(typed: str) -> str:
    """An expiry as it is put back into the form; nothing that is not one, lest a number in the wrong field came back."""
    found = _EXPIRY.fullmatch(typed)
    return f"{int(found[1]):02d}/{found[2]}" if found else ""


# --- the pages --------------------------------------------------------------------------------------------
def _html(title: str, content: str, *, status: int = 200, page: Page | None = None, one: bool = False) -> Response:
    """A whole page. `content` is HTML already. Nothing is loaded, no script runs, forms go here and back to the shop."""
    about = urlsplit(page.return_url) if page is not None else urlsplit("")
    back = f" {about.scheme}://{about.netloc}" if _HOST.fullmatch(about.netloc) else ""
    body = (
        f'<!doctype html><html lang="{language().value}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f'<title>{escape(title)} · {t("bank.name")}</title><link rel="icon" href="data:image/svg+xml,{escape(_ICON)}">'
        f"<style>{_STYLE}</style></head><body>"
        f'<header><svg viewBox="0 0 24 24" aria-hidden="true">{_MARK}</svg>{t("bank.name")}</header>'
        f'<div class="note" role="note"><p>{t("bank.note")}</p></div>'
        f"<main{' class=one' if one else ''}>{content}</main></body></html>"
    )
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'{back}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(body, status, headers={"Cache-Control": "no-store", "Content-Security-Policy": policy})


def _end(step: str, text: str, *, status: int, page: Page | None) -> Response:
    """A page with nothing to do but to go back to the shop."""
    title = t(f"bank.end.{step}")
    back = page.return_url if page is not None else "/"
    content = (
        f'<div class="sheet"><h1>{title}</h1><p>{text}</p><a class="button" href="{escape(back)}">{t("bank.leave")}</a></div>'
    )
    return _html(title, content, status=status, page=page, one=True)


def _over(page: Page | None) -> Response:
    """What is shown where nothing is waited for: unknown, finished, thought about, or silent."""
    if page is None:
        return _end("unknown", t("bank.end.unknown.then"), status=404, page=None)
    if page.step is Step.SILENT:
        return _silent(page)
    if page.step is Step.THINKING:
        return _end("thinking", t("bank.end.thinking.then"), status=200, page=page)
    check = "" if page.amount_kopecks else ".check"
    if page.step is Step.SUCCEEDED:
        return _end(f"succeeded{check}", t(f"bank.end.succeeded{check}.then"), status=410, page=page)
    reason = t(f"bank.reason.{page.reason}")
    return _end(f"declined{check}", t("bank.end.declined.then", reason=reason), status=410, page=page)


def _silent(page: Page | None) -> Response:
    return _end("silent", t("bank.end.silent.then"), status=503, page=page)


def _order(page: Page) -> str:
    """Who is paid, for what and how much."""
    check = "" if page.amount_kopecks else ".check"
    card = f"<dt>{t('bank.card')}</dt><dd>•••• {escape(page.last_four)}</dd>" if page.last_four else ""
    keeps = f'<p class="soft">{t("bank.keeps")}</p>' if page.keeps_card and page.amount_kopecks else ""
    return (
        f'<section><h2>{t(f"bank.to_pay{check}")}</h2><p class="sum">{money(page.amount_kopecks)}</p>'
        f"<dl><dt>{t('bank.merchant')}</dt><dd>{escape(operator().name(language().value))}</dd>"
        f"<dt>{t('bank.what_for')}</dt><dd>{escape(page.description)}</dd>{card}</dl>{keeps}</section>"
    )


def _field(name: str, *, label: str, error: str, focus: bool, about: str, value: str = "") -> str:
    """A labelled field with its error; `about` is attributes of ours."""
    wrong = f' aria-invalid="true" aria-describedby="{name}-error"' if error else ""
    told = f'<p class="error" id="{name}-error">{escape(error)}</p>' if error else ""
    return (
        f'<div class="field"><label for="{name}">{label}</label><input id="{name}" name="{name}" value="{escape(value)}" '
        f'type="text" spellcheck="false" required {about}{wrong}{" autofocus" if focus else ""}>{told}</div>'
    )


def _leaving(page: Page) -> str:
    """A form of its own: what was typed is not sent by whoever leaves."""
    return (
        f'<form method="post" action="/bank/{page.ref}"><button class="leave" name="leave" value="1">'
        f"{t('bank.leave')}</button></form>"
    )


def _title(page: Page) -> str:
    return t("bank.title.pay", sum=money(page.amount_kopecks)) if page.amount_kopecks else t("bank.title.check")


def _card_page(page: Page, wrong: Mapping[str, str] | None = None, expiry: str = "") -> Response:
    """The form for a card; `wrong` is the key of what is wrong by field, `expiry` what was typed there."""
    wrong = {name: key for name, key in (wrong or {}).items() if key}
    example = f"09/{clock.today().year % 100 + 2:02d}"
    errors = {name: t(f"bank.wrong.{key}", example=example) for name, key in wrong.items()}
    first = next(iter(wrong), "number")
    fields = {
        "number": 'autocomplete="cc-number" inputmode="numeric" maxlength="23" placeholder="0000 0000 0000 0000"',
        "expiry": f'autocomplete="cc-exp" inputmode="numeric" maxlength="9" placeholder="{t("bank.expiry.hint")}"',
        "cvc": 'autocomplete="cc-csc" inputmode="numeric" maxlength="4" class="secret" placeholder="000"',
    }
    made = {
        name: _field(
            name,
            label=t(f"bank.{name}"),
            error=errors.get(name, ""),
            focus=name == first,
            about=about,
            value=_shown_again(expiry) if name == "expiry" else "",
        )
        for name, about in fields.items()
    }
    button = t("bank.pay", sum=money(page.amount_kopecks)) if page.amount_kopecks else t("bank.attach")
    heading = t("bank.title.card" if page.amount_kopecks else "bank.title.check")
    content = (
        f'{_order(page)}<div class="sheet"><h1>{heading}</h1>'
        f'<form method="post" action="/bank/{page.ref}" novalidate autocomplete="on">'
        f'{made["number"]}<div class="pair">{made["expiry"]}{made["cvc"]}</div><button>{button}</button></form>'
        f"{_leaving(page)}</div>{_numbers(opened='number' in wrong)}"
    )
    title = f"{t('bank.wrong')} · {_title(page)}" if wrong else _title(page)
    return _html(title, content, status=422 if wrong else 200, page=page)


def _numbers(*, opened: bool) -> str:
    """The numbers this bank takes, in fours, to be copied."""
    rows = "".join(
        f"<tr><td><code>{' '.join(re.findall('....', card.number))}</code><small>{t(f'brand.{card.brand}')}</small></td>"
        f"<td>{t(f'bank.does.{card.behaviour}', seconds=_SECONDS.get(card.behaviour, ''))}</td></tr>"
        for card in CARDS
    )
    return (
        f"<details{' open' if opened else ''}><summary>{t('bank.numbers')}</summary>"
        f"<p>{t('bank.numbers.rest')}</p><table>{rows}</table></details>"
    )


_SECONDS = {"slow": THINKS.seconds, "lost": SILENT.seconds}


def _code_page(page: Page, error: str = "") -> Response:
    """The form for a code of 3-D Secure."""
    title = t("bank.confirm" if page.amount_kopecks else "bank.confirm.check")
    field = _field(
        "code",
        label=t("bank.confirm.code"),
        error=error,
        focus=True,
        about='autocomplete="one-time-code" inputmode="numeric" maxlength="8"',
    )
    content = (
        f'{_order(page)}<div class="sheet"><h1>{title}</h1><p class="soft">{t("bank.confirm.sent", code=CODE)}</p>'
        f'<form method="post" action="/bank/{page.ref}/confirm" novalidate>{field}'
        f"<button>{t('bank.confirm.button')}</button></form>{_leaving(page)}</div>"
    )
    return _html(f"{t('bank.wrong')} · {title}" if error else title, content, status=422 if error else 200, page=page)


# --- answering --------------------------------------------------------------------------------------------
def _go(to: str) -> Response:
    return RedirectResponse(to, 303, headers={"Cache-Control": "no-store"})


def _onward(page: Page | None) -> Response:
    """After a POST: to where the payer has something to do, to the bank's error page, or back to the shop."""
    if page is None:
        return _over(None)
    if page.step is Step.SILENT:
        return _go(f"/bank/{page.ref}")
    return _go(address(page.ref, page.step) or page.return_url)


def _show(ref: str, form: Step) -> Response:
    """GET: the form when just that is waited for, else the way to what is, else the end."""
    page = TestBank().page(ref)
    if page is None or page.step not in (Step.CARD, Step.CODE):
        return _over(page)
    if page.step is not form:
        return _go(address(ref, page.step) or "/")
    return _card_page(page) if form is Step.CARD else _code_page(page)


def _pay(ref: str, sent: Mapping[str, str]) -> Response:
    bank = TestBank()
    if "leave" in sent:
        return _onward(bank.leave(ref))
    page = bank.page(ref)
    if page is None or page.step is not Step.CARD:
        return _onward(page)
    card, wrong_number = _number(sent.get("number", ""))
    expires_on, wrong_expiry = _expiry(sent.get("expiry", ""))
    wrong_cvc = "" if re.fullmatch(r"\s*[0-9]{3}\s*", sent.get("cvc", "")) else "cvc"
    if card is None or expires_on is None or wrong_cvc:
        wrong = {"number": wrong_number, "expiry": wrong_expiry, "cvc": wrong_cvc}
        return _card_page(page, wrong, sent.get("expiry", ""))
    return _onward(bank.pay(ref, card, expires_on=expires_on))


def _confirm(ref: str, sent: Mapping[str, str]) -> Response:
    bank = TestBank()
    page = bank.page(ref)
    if page is None or page.step is not Step.CODE:
        return _onward(page)
    code = sent.get("code", "").strip()
    if not code:
        return _code_page(page, t("bank.confirm.empty"))
    page = bank.confirm(ref, code)
    if page is not None and page.step is Step.CODE:
        return _code_page(page, tn("bank.confirm.wrong", page.tries_left))
    return _onward(page)


def _answer(request: Request, form: Step, sent: Mapping[str, str] | None) -> Response:
    """`sent`: what was posted; None for a GET."""
    if settings().payment_gateway is not GatewayName.TEST_BANK:
        return Response(status_code=404)
    ref = request.path_params["ref"]
    with speaking(Language(language_of(request.headers))):
        if sent is not None and not same_origin(request.headers):
            return _end("foreign", t("bank.end.foreign.then"), status=403, page=None)
        try:
            if sent is None:
                return _show(ref, form)
            return _pay(ref, sent) if form is Step.CARD else _confirm(ref, sent)
        except NoAnswer:
            return _silent(None)


async def card_form(request: Request) -> Response:
    """GET, POST /bank/<ref>: the form for a card; `leave` in a POST gives up."""
    sent = await _sent(request) if request.method == "POST" else None
    return await run_in_threadpool(_answer, request, Step.CARD, sent)


async def code_form(request: Request) -> Response:
    """GET, POST /bank/<ref>/confirm: the form for a code of 3-D Secure."""
    sent = await _sent(request) if request.method == "POST" else None
    return await run_in_threadpool(_answer, request, Step.CODE, sent)


BANK_ROUTES = [
    Route("/bank/{ref}", card_form, methods=["GET", "POST"]),
    Route("/bank/{ref}/confirm", code_form, methods=["GET", "POST"]),
]
